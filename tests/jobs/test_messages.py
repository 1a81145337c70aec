import pytest

from backend.jobs import messages
from backend.jobs.messages import Preview, ProgressReport, decode, encode
from backend.models.engine import Speed
from backend.requests import ClipRequest
from backend.store.generations import Output

PREVIEW = Preview("previews/A/1-3.jpg", 6, 6, 33, 16, 32, 32, 3)
ALL = [
    messages.Run("A", 2, ClipRequest(prompt="👩‍👩‍👧\n\0 كرة", seed=2**63 - 1), 1000.5),
    messages.Cancel("A", 2),
    messages.Suspend(),
    messages.Beat(),
    messages.Warm("tiny"),
    messages.Stop(),
    messages.Ready("tiny", "cpu, float32", Speed({1: 0.1}, {1: 0.5}, 0.25)),
    messages.NotReady("A file is missing."),
    ProgressReport("A", 1, "sampling", 3, 24, 0.25, PREVIEW),
    ProgressReport("A", 1, "loading"),
    messages.Done("A", 1, (Output("clip", "outputs/A.mp4", "0" * 64, "video/mp4", 5),), {"seed": 7}),
    messages.Failed("A", 1, "It failed.", "MediaError"),
    messages.Canceled("A", 1),
]


@pytest.mark.parametrize("message", ALL, ids=lambda message: type(message).__name__)
def test_message_crosses_the_pipe_as_one_line(message: messages.Message) -> None:
    line = encode(message)
    assert line.count("\n") == 1 and line.isascii()
    assert decode(line) == message


@pytest.mark.parametrize("line", ["", "hello", "[]", '{"type": "Explode"}', '{"type": "Cancel"}'])
def test_what_is_no_message_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        decode(line)
