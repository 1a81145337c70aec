"""Library: all that was ever made, by project, to find, keep, compare, take over, put away and pass on."""

from backend.api import Api
from studio.inputs import own_html
from studio.library_markup import LIBRARY

_MOUNT_LIBRARY = """
import('/assets/js/library.js').then(({ mountLibrary }) => mountLibrary(element, { engines: props.engines }));
"""


def build(api: Api) -> None:
    """Build the page inside the Blocks being built; its script talks to the routes of the Library."""
    engines = [[spec.name, spec.title] for spec in api.engines()]
    own_html(LIBRARY, js_on_load=_MOUNT_LIBRARY, engines=engines, elem_id="library")
