"""The Library as its page reads it: takes with their stars and gaps, projects, and what the disk holds."""

import re
from typing import Any

from backend.api import Api, Generation, Project
from studio.views import take_view


def library_take_view(api: Api, generation: Generation) -> dict[str, Any]:
    """Return one generation with what can be changed about it, and which of its files are missing."""
    return {
        **take_view(generation),
        "project_id": generation.project_id,
        "parents": list(generation.parents),
        "engine": generation.request.engine,
        "is_starred": generation.is_starred,
        "is_binned": generation.binned_at is not None,
        "revision": generation.revision,
        "missing": api.library.missing(generation),
    }


def project_view(project: Project) -> dict[str, Any]:
    """Return one project; where its file is served, too."""
    return {
        "id": project.id,
        "name": project.name,
        "revision": project.revision,
        "is_binned": project.binned_at is not None,
        "file": f"/studio/projects/{project.id}/file",
    }


def disk_view(api: Api) -> dict[str, Any]:
    """Return in bytes what each project and each kind of file takes."""
    use = api.library.disk_use()
    return {
        "projects": [
            {"id": project.id, "name": project.name, **_project_bytes(use.usages, project.id)}
            for project in api.library.projects()
        ],
        "inputs_bytes": use.inputs_bytes,
        "backups_bytes": use.backups_bytes,
        "database_bytes": use.database_bytes,
        "bin_bytes": sum(usage.size_bytes for usage in use.usages if usage.is_binned),
        "unclaimed": [file.path for file in use.unclaimed],
        "unclaimed_bytes": sum(file.size_bytes for file in use.unclaimed),
    }


def project_file_name(project: Project) -> str:
    """Return a file name that tells project files apart: the words of the name."""
    return "-".join(["kinora", *re.findall(r"\w+", project.name)])[:80] + ".zip"


def _project_bytes(usages: list[Any], project_id: str) -> dict[str, Any]:
    own = [usage for usage in usages if usage.project_id == project_id]
    return {
        "kinds": [
            {
                "kind": kind,
                "number": sum(usage.num_generations for usage in own if usage.kind == kind),
                "size_bytes": sum(usage.size_bytes for usage in own if usage.kind == kind),
            }
            for kind in sorted({usage.kind for usage in own})
        ],
        "size_bytes": sum(usage.size_bytes for usage in own),
    }
