"""Models as a creator meets them: chosen on Create; looked at, brought, kept, removed on their own page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, expect
from safetensors.torch import save_file

from backend.api import Model
from backend.config import Settings
from backend.models.adding import install_folder
from backend.requests import ClipRequest
from tests.models.hub import COMMIT, REPOSITORY, Hub, serving
from tests.models.tiny_open import WAN_FIRST_LAST, add_upsampler, write_ltx, write_wan
from tests.studio.running import Running, running_studio
from tests.waiting import ended, until

pytestmark = pytest.mark.browser

CONTROLS = {
    "start image": "#image",
    "end image": "#last-image",
    "motion": "#motion-asked",
    "negative prompt": "#negative",
    "image guidance": "#image-guidance",
    "motion guidance": "#motion-guidance",
    "negative motion": "#negative-motion",
    "text guidance": "#guidance",
    "detail": "#detail-upload",
    "images at frames": "#given-frames",
    "LoRA files": "#loras",
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = write_wan(tmp_path_factory.mktemp("hub") / "tiny", WAN_FIRST_LAST)
    with serving(folder) as hub:
        yield hub


@pytest.fixture(scope="module")
def local_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wan(tmp_path_factory.mktemp("local") / "Local-Wan-Diffusers")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[Running]:
    """A studio with the tiny engine and one tiny model of each family."""
    folder = tmp_path_factory.mktemp("models")

    def prepare(settings: Settings) -> None:
        wan, ltx = write_wan(folder / "Wan"), write_ltx(folder / "LTX", takes_key_frames=True)
        install_folder(wan, name="wan", models_dir=settings.models_dir, short_side=32)
        install_folder(ltx, name="ltx", models_dir=settings.models_dir, short_side=64)

    with running_studio(folder / "data", hub=hub.address, prepare=prepare) as running:
        yield running


SECONDS = {"Tiny": "2", "Wan": "5.0625", "LTX": "6.44", "tiny": "5.0625"}  # title -> where its clips begin


def choose_model(page: Page, title: str) -> None:
    page.locator("#engine input").click()
    page.get_by_role("option", name=title, exact=True).click()
    expect(page.locator("#engine input")).to_have_value(title)
    expect(seconds(page)).to_have_value(SECONDS[title])


def open_folds(page: Page) -> None:
    for name in ("#given", "#advanced"):
        fold = page.locator(f"{name} .label-wrap:not(.open)")
        if fold.count() and fold.is_visible():
            fold.click()


def shown(page: Page, names: set[str]) -> None:
    """See that the controls of these names, and no others, come into sight."""
    for name, place in CONTROLS.items():
        expect(page.locator(place)).to_be_visible(visible=name in names)


def seconds(page: Page) -> Locator:
    return page.locator("#seconds input[type=number]")


def ask_for_nine_frames(page: Page) -> None:
    expect(page.locator("#prediction")).to_contain_text("81 frames of 48 x 32")  # the switch has settled
    seconds(page).fill("0.5625")
    seconds(page).blur()
    expect(page.locator("#prediction")).to_contain_text("9 frames of 48 x 32")


def open_models(page: Page) -> None:
    page.get_by_role("tab", name="Models").click()
    expect(page.locator(".model[data-name=wan]")).to_be_visible()


def look_at(page: Page, model: str, name: str) -> Locator:
    """Return the card of what the folder or id would be."""
    open_models(page)
    page.fill(".models form [name=model]", model)
    page.fill(".models form [name=name]", name)
    page.get_by_role("button", name="Look at it").click()
    seen = page.locator(".models [data-field=seen]")
    expect(seen).to_be_visible()
    return seen


def model_of(studio: Running, name: str) -> Model:
    return next(each for each in studio.api.models.all() if each.spec.name == name)


def remove(page: Page, name: str, *, typed: str) -> None:
    page.locator(f".model[data-name={name}]").get_by_role("button", name="Remove…").click()
    page.fill(".models .confirm [name=typed]", typed)
    page.locator(".models .confirm button[value=remove]").click()


def test_each_model_shows_the_controls_it_honours_and_back(page: Page) -> None:
    open_folds(page)
    tiny = {"start image", "end image", "motion", "negative prompt", "image guidance", "negative motion"}
    tiny |= {"text guidance", "detail"}
    shown(page, tiny)
    choose_model(page, "Wan")
    shown(page, {"negative prompt", "text guidance", "detail", "LoRA files"})
    expect(page.locator("#guidance input[type=number]")).to_have_value("5")
    expect(page.locator("#aspect input:checked")).to_have_value("16:9")
    expect(page.locator("#known-words")).to_be_hidden()
    choose_model(page, "LTX")
    expect(page.locator("#given")).to_be_visible()
    open_folds(page)
    shown(page, tiny - {"motion", "negative motion"} | {"images at frames", "LoRA files"})
    for fold in ("#given-frames", "#loras"):
        expect(page.locator(f"{fold} .rows")).to_be_hidden()
    expect(page.locator("#inputs label", has_text="Textbox").filter(visible=True)).to_have_count(0)
    choose_model(page, "Tiny")
    shown(page, tiny)


def test_the_chosen_model_makes_the_clip_and_comes_back_with_it(page: Page, studio: Running) -> None:
    page.get_by_label("Set the amount of motion").check()
    choose_model(page, "Wan")
    ask_for_nine_frames(page)
    page.get_by_role("button", name="Advanced").click()
    page.fill("#steps input, #steps textarea", "2")
    page.fill("#prompt textarea", "a fox")
    page.click("#generate")
    expect(page.locator(".hero[data-view=done] [data-field=prompt]")).to_have_text("a fox")
    made = ended(studio.api, studio.api.generations(limit=1)[0].id)
    assert isinstance(made.request, ClipRequest)
    assert (made.request.engine, made.request.motion_score, made.facts["num_frames"]) == ("wan", None, 9)
    choose_model(page, "Tiny")
    expect(seconds(page)).to_have_value("2")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Reuse", exact=True).last.click()
    expect(page.locator("#engine input")).to_have_value("Wan")
    expect(seconds(page)).to_have_value("0.5625")
    expect(page.locator("#motion-asked")).to_be_hidden()
    page.reload()
    expect(page.locator("#engine input")).to_have_value("Wan")
    expect(page.locator("#prediction")).to_contain_text("on this machine")


def test_a_picture_that_a_model_cannot_take_is_not_sent(page: Page, studio: Running, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (20, 20, 220)).save(tmp_path / "blue.png")
    page.get_by_role("button", name="Start and end image").click()
    page.set_input_files("#image input[type=file]", tmp_path / "blue.png")
    expect(page.locator("#image img")).to_be_visible()
    expect(page.locator("#generate")).to_be_enabled()
    choose_model(page, "Wan")
    ask_for_nine_frames(page)
    page.fill("#prompt textarea", "a fox without its picture")
    page.click("#generate")
    expect(page.locator(".hero [data-field=prompt]")).to_have_text("a fox without its picture")
    request = studio.api.generations(limit=1)[0].request
    assert isinstance(request, ClipRequest) and request.image is None


def test_images_at_frames_reach_the_clip_and_come_back_with_it(
    page: Page, studio: Running, tmp_path: Path
) -> None:
    choose_model(page, "LTX")
    expect(page.locator("#prediction")).to_contain_text("161 frames")  # the switch has settled
    seconds(page).fill("0.6")
    seconds(page).blur()
    page.get_by_role("button", name="Images at frames").click()
    expect(page.locator("#given-frames")).to_contain_text("Frames are counted from 0")  # its script is there
    for number, shade in enumerate((20, 220), start=1):
        Image.new("RGB", (32, 32), (shade, 20, 20)).save(tmp_path / f"{shade}.png")
        page.set_input_files("#given-frames input[type=file]", tmp_path / f"{shade}.png")
        expect(page.locator("#given-frames li")).to_have_count(number)
    frames = page.locator("#given-frames").get_by_role("spinbutton")
    page.fill("#prompt textarea", "a day")
    for wrong, sentence in (("0", "from 1 on; you gave 0"), ("90", "from 1 to 15"), ("4", "for frame 4")):
        frames.nth(0).fill("4")
        frames.nth(1).fill(wrong)
        page.click("#generate")
        expect(page.locator("#notice")).to_contain_text(sentence)
    page.get_by_role("button", name="Remove the image at frame").nth(0).click()
    frames.fill("9")
    page.click("#generate")
    expect(page.locator(".hero [data-field=prompt]")).to_have_text("a day")
    made = ended(studio.api, studio.api.generations(limit=1)[0].id)
    assert isinstance(made.request, ClipRequest) and made.status == "done"
    (given,) = made.request.given_frames
    picture = Image.open(studio.api.inputs.image_path(given.image))
    assert (given.frame, picture.getpixel((0, 0))) == (9, (220, 20, 20))
    choose_model(page, "Tiny")
    page.reload()
    page.get_by_role("button", name="Reuse", exact=True).last.click()
    expect(frames).to_have_value("9")
    assert page.locator("#given-frames img").evaluate("(image) => image.naturalWidth || 32") == 32


def test_a_lora_is_for_its_model_alone(context: BrowserContext, studio: Running, tmp_path: Path) -> None:
    page = context.new_page()  # whose console may name the requests that were refused
    page.goto(studio.address)
    for title, part, width in (("Oil", "blocks.0.attn1.to_q", 24), ("Ink", "transformer_blocks.0.ff", 8)):
        pair = {f"{part}.lora_A.weight": torch.ones(2, width), f"{part}.lora_B.weight": torch.ones(width, 2)}
        save_file(pair, tmp_path / f"{title}.safetensors")
    choose_model(page, "Wan")
    page.locator("#loras .label-wrap").click()
    expect(page.locator("#loras")).to_contain_text("None was added for Wan yet.")
    page.set_input_files("#loras input[type=file]", tmp_path / "Ink.safetensors")
    expect(page.locator("#loras [role=alert]")).to_contain_text("Ink was made for another model")
    page.set_input_files("#loras input[type=file]", tmp_path / "Oil.safetensors")
    expect(page.get_by_label("Oil", exact=True)).to_be_checked()
    page.fill("#prompt textarea", "a fox in oil")
    for strength, sentence in (("9", "from -4 to 4; you gave 9"), ("", "from -4 to 4; you gave ''")):
        page.get_by_label("Strength of Oil").fill(strength)
        page.click("#generate")
        expect(page.locator("#notice")).to_contain_text(sentence)
    page.get_by_label("Strength of Oil").fill("0.5")
    ask_for_nine_frames(page)
    page.click("#generate")
    expect(page.locator(".hero[data-view=done] [data-field=prompt]")).to_have_text("a fox in oil")
    request = studio.api.generations(limit=1)[0].request
    assert isinstance(request, ClipRequest)
    assert [use.strength for use in request.loras] == [0.5]
    choose_model(page, "LTX")
    expect(page.locator("#loras")).to_contain_text("None was added for LTX yet.")
    open_models(page)
    card = page.locator(".model[data-name=wan]")
    card.locator(".loras summary").click()
    for name in ("Remove Oil", "Delete Oil"):
        card.get_by_role("button", name=name).click()
    expect(card.locator(".loras")).to_contain_text("None was added yet.")
    assert studio.api.inputs.loras("wan") == {}


def test_what_a_model_needs_is_seen_before_it_is_downloaded(page: Page, hub: Hub) -> None:
    hub.sent.clear()
    seen = look_at(page, REPOSITORY, "new")
    for words in ("Needs a start image", "apache-2.0", COMMIT, "the disk has", "up to", "832 x 480"):
        expect(seen).to_contain_text(words)
    seen.get_by_role("button", name="Not now").click()
    expect(seen).to_be_hidden()
    assert not [path for path, _, _ in hub.sent if path.endswith(".safetensors")]


def test_a_download_is_stopped_goes_on_and_becomes_a_choice(page: Page, studio: Running, hub: Hub) -> None:
    hub.held_at = 20_000
    hub.sent.clear()
    look_at(page, REPOSITORY, "new").get_by_role("button", name="Agree and download").click()
    arrival = page.locator(".arrivals li")
    expect(arrival.get_by_role("progressbar")).to_be_visible()
    until(lambda: any(studio.api.settings.models_dir.rglob("*.partial")))
    with page.expect_response("**/arrivals/new/stop"):
        arrival.get_by_role("button", name="Stop").click()
    hub.held_at = None
    expect(arrival).to_contain_text("Stopped")
    assert "new" not in [spec.name for spec in studio.api.engines()]
    arrival.get_by_role("button", name="Go on").click()
    expect(page.locator(".model[data-name=new]")).to_contain_text(COMMIT)
    expect(arrival).to_have_count(0)
    page.get_by_role("tab", name="Create").click()
    choose_model(page, "tiny")
    page.get_by_role("button", name="Start and end image").click()
    expect(page.get_by_text("Start image, needed")).to_be_visible()
    open_models(page)
    remove(page, "new", typed="new")
    expect(page.locator(".model[data-name=new]")).to_have_count(0)
    page.get_by_role("tab", name="Create").click()
    expect(page.locator("#engine input")).to_have_value("Tiny")


def test_a_folder_is_added_with_its_plan_and_checked(page: Page, studio: Running, local_folder: Path) -> None:
    seen = look_at(page, str(local_folder), "local")
    expect(seen).to_contain_text("a folder of yours")
    seen.get_by_role("button", name="Add this folder").click()
    card = page.locator(".model[data-name=local]")
    card.get_by_label("Memory plan").select_option("blocks")
    until(lambda: studio.api.models.plans()["local"] == "blocks")
    card.get_by_role("button", name="Check files").click()
    expect(card).to_contain_text("All files of Local-Wan are there and have their checksums.")
    remove(page, "local", typed="local")
    expect(card).to_have_count(0)
    assert local_folder.is_dir()


def test_size_cache_and_upsampler_are_chosen_or_refused(
    context: BrowserContext, studio: Running, tmp_path: Path
) -> None:
    page = context.new_page()  # whose console may name the requests that were refused
    page.goto(studio.address)
    open_models(page)
    card = page.locator(".model[data-name=ltx]")
    side, upsampler = card.get_by_label("Short side"), card.get_by_label("Upsampler")
    expect(card.get_by_label("Block cache")).to_contain_text("0.3: 95% of the blocks run, 49.1 dB PSNR")
    for field, wrong, kept, sentence in (
        (side, "100", "64", "must be a multiple of"),
        (upsampler, str(tmp_path), "", "config.json is missing"),
    ):
        field.fill(wrong)
        field.blur()
        expect(page.locator(".models [data-field=notice]")).to_contain_text(sentence)
        expect(field).to_have_value(kept)
    folder = add_upsampler(tmp_path / "own", LTXLatentUpsamplerModel) / "latent_upsampler"
    upsampler.fill(str(folder))
    upsampler.blur()
    until(lambda: model_of(studio, "ltx").upsampler == str(folder))
    upsampler.fill("")
    upsampler.blur()
    until(lambda: model_of(studio, "ltx").upsampler == "")
    card.get_by_label("Block cache").select_option("0.3")
    until(lambda: model_of(studio, "ltx").block_cache == 0.3)
    side.fill("96")
    side.blur()
    expect(card).to_contain_text("1:1 96 x 96")
    page.get_by_role("tab", name="Create").click()
    choose_model(page, "LTX")
    expect(page.locator("#prediction")).to_contain_text("of 160 x 96")


def test_what_is_no_model_is_one_sentence(context: BrowserContext, studio: Running, tmp_path: Path) -> None:
    page = context.new_page()  # whose console may name the requests that were refused
    page.goto(studio.address)
    open_models(page)
    remove(page, "wan", typed="ltx")
    expect(page.locator(".models [data-field=notice]")).to_contain_text("Type wan to remove it")
    for place, sentence in ((str(tmp_path), "no diffusers folder"), ("no words", "neither a folder")):
        page.fill(".models form [name=model]", place)
        page.fill(".models form [name=name]", "other")
        page.get_by_role("button", name="Look at it").click()
        expect(page.locator(".models [data-field=notice]")).to_contain_text(sentence)


def test_the_page_fits_a_phone_and_names_its_controls(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_models(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    nameless = page.evaluate("""
        [...document.querySelectorAll('button, input, select, progress')].filter(
          (e) => e.checkVisibility() && !e.labels?.length && !e.ariaLabel && !e.textContent.trim() && !e.title
        ).map((e) => e.outerHTML)""")
    assert nameless == []
