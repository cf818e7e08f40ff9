"""A workspace as uv knows it, of three members, one of which needs another."""

from __future__ import annotations

from pathlib import Path

MEMBER = """
[project]
name = "{name}"
version = "1.2.0"
requires-python = ">=3.11,<3.12"
dependencies = {dependencies}

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["src/{name}"]
"""

LOCK_HEAD = """
version = 1
revision = 3
requires-python = "==3.11.*"

[manifest]
members = ["place", "alpha", "beta", "gamma"]

[[package]]
name = "place"
version = "1.2.0"
source = { virtual = "." }
"""

LOCKED_MEMBER = """
[[package]]
name = "{name}"
version = "1.2.0"
source = {{ editable = "services/{name}" }}
dependencies = [{{ name = "{needs}" }}]
"""

LOCKED = """
[[package]]
name = "{name}"
version = "{version}"
source = {{ registry = "https://pypi.org/simple" }}
wheels = [{{ url = "https://host.invalid/{name}-{version}-py3-none-any.whl", hash = "{hash}" }}]
"""

VERSIONS = {"direct": "1.0", "indirect": "2.0", "unrelated": "3.0"}
# Alpha needs beta, and each of the three one package of others.
NEEDS = {"alpha": ["beta", "direct"], "beta": ["indirect"], "gamma": ["unrelated"]}


def write_lock(tree: Path, *, digit: str = "a", **changed: str) -> None:
    parts = [LOCK_HEAD]
    for name, needs in NEEDS.items():
        needed = '" }, { name = "'.join(needs)
        parts.append(LOCKED_MEMBER.format(name=name, needs=needed))
    for name, version in (VERSIONS | changed).items():
        parts.append(LOCKED.format(name=name, version=version, hash=f"sha256:{digit * 64}"))
    (tree / "uv.lock").write_text("".join(parts))


def make_workspace(tree: Path) -> None:
    """Write it into a folder that is there."""
    (tree / "pyproject.toml").write_text(
        '[project]\nname = "place"\nversion = "1.2.0"\nrequires-python = ">=3.11,<3.12"\n'
        '[tool.uv.workspace]\nmembers = ["services/*"]\n'
        "[tool.uv.sources]\nbeta = { workspace = true }\n"
    )
    for name, needs in NEEDS.items():
        package = tree / "services" / name / "src" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f'NAME = "{name}"\n')
        project = MEMBER.format(name=name, dependencies=needs)
        (tree / "services" / name / "pyproject.toml").write_text(project)
    write_lock(tree)
