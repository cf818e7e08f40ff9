"""The things that a host has or has not, as plain data for `tomobeam_deploy.on_host`.

`wanted()` is what the host needs to know for comparing, `payload()` what it needs besides to put
it right. A secret's content is only ever in the payload, which travels on standard input.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from pyinfra.api.host import Host
from pyinfra.api.state import State

from tomobeam_deploy.renderers.systemd import overriding


@dataclass(frozen=True)
class Resource:
    """Something that can be compared and put right."""

    kind: ClassVar[str]

    @property
    def title(self) -> str:
        """By which a person knows it."""
        raise NotImplementedError

    def wanted(self) -> dict[str, Any]:
        """What the host compares with."""
        return {"kind": self.kind, "title": self.title, **asdict(self)}

    def payload(self) -> dict[str, Any]:
        """What it needs besides for putting it right."""
        return {}


@dataclass(frozen=True)
class Account(Resource):
    """A system account with a group of its own name and number."""

    kind = "account"
    name: str
    uid: int
    home: str
    groups: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name."""
        return f"account {self.name}"


@dataclass(frozen=True)
class SharedGroup(Resource):
    """A group that several accounts are in."""

    kind = "group"
    name: str
    gid: int

    @property
    def title(self) -> str:
        """Its name."""
        return f"group {self.name}"


@dataclass(frozen=True)
class Folder(Resource):
    """A folder; what is in it is not looked at."""

    kind = "folder"
    path: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"

    @property
    def title(self) -> str:
        """Its path."""
        return self.path


@dataclass(frozen=True)
class File(Resource):
    """A file; `validate` is a command that must accept it, as {}, before it takes its place."""

    kind = "file"
    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    validate: tuple[str, ...] = ()

    @classmethod
    def text(cls, path: str, text: str, **more: Any) -> File:
        """A file in UTF-8."""
        return cls(path, text.encode(), **more)

    @property
    def title(self) -> str:
        """Its path."""
        return self.path

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def wanted(self) -> dict[str, Any]:
        """Everything but the content, of which the digest."""
        known = {key: value for key, value in asdict(self).items() if key != "content"}
        return {"kind": self.kind, "title": self.title, "sha256": self.digest, **known}

    def payload(self) -> dict[str, Any]:
        """The content."""
        return {"content": base64.b64encode(self.content).decode()}


@dataclass(frozen=True)
class Link(Resource):
    """A symbolic link."""

    kind = "link"
    path: str
    target: str

    @property
    def title(self) -> str:
        """Its path."""
        return self.path


@dataclass(frozen=True)
class Masked(Resource):
    """A unit that nothing may start."""

    kind = "masked"
    unit: str

    @property
    def title(self) -> str:
        """The unit."""
        return f"{self.unit} masked"


@dataclass(frozen=True)
class Overrides(Resource):
    """That of the files that override a unit, or are it, the host has none but `own`.

    Debian's packages keep theirs. A unit from which something is taken is started anew.
    """

    kind = "overrides"
    unit: str
    own: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Whose."""
        return f"overrides of {self.unit}"

    def wanted(self) -> dict[str, Any]:
        """Where else they could be."""
        return super().wanted() | {"places": overriding(self.unit)}


@dataclass(frozen=True)
class Unit(Resource):
    """A unit that is enabled and runs with what `files` and `links` say now.

    `files` may be patterns, such as those of what overrides it.

    What it was started with it recorded itself, by the line that `recording` gave its unit file;
    the files of the unit are among them. A unit that was started with something else is
    restarted, whoever changed it and whenever.
    """

    kind = "unit"
    name: str
    files: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The unit."""
        return self.name


@dataclass(frozen=True)
class Ran(Resource):
    """A unit that ran to its end, once for each fingerprint; `stamp` on the host remembers it."""

    kind = "ran"
    unit: str
    stamp: str
    fingerprint: str

    @property
    def title(self) -> str:
        """The unit."""
        return self.unit


@dataclass(frozen=True)
class Schema(Resource):
    """Databases of a service whose schemas are those that a release works with.

    `release` is its folder, and `unit` migrates to it. `stamp` on the host remembers which schemas
    they have; where it says others, `first` is called with pyinfra's state and host before anything
    is put right. It sees to it that nothing is lost, and returns what the host is to know.
    """

    kind = "schema"
    service: str
    release: str
    stamp: str
    unit: str
    first: Callable[[State, Host], dict[str, Any]] = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Whose."""
        return f"schema of {self.service}"

    def wanted(self) -> dict[str, Any]:
        """Where the host looks it up."""
        places = {"release": self.release, "stamp": self.stamp, "unit": self.unit}
        return {"kind": self.kind, "title": self.title, **places}

    def payload(self) -> dict[str, Any]:
        """Until `first` said it, nobody knows whether to migrate."""
        return {"migrate": None}


@dataclass(frozen=True)
class Written:
    """What a command leaves in the file system, for people to know."""

    path: str
    what: str


@dataclass(frozen=True)
class Command(Resource):
    """A state that only commands know: `check` exits 0 where all is well.

    What `check` prints is the difference. Both are shell; `stdin` reaches `apply` and `check` on
    standard input. `writes` is what they leave, for the page about files; no host is told.
    """

    kind = "command"
    name: str
    check: str
    apply: str
    user: str = "root"
    stdin: str = field(default="", repr=False)
    writes: tuple[Written, ...] = ()

    @property
    def title(self) -> str:
        """Its name."""
        return self.name

    def wanted(self) -> dict[str, Any]:
        """Everything but what it writes."""
        return {key: value for key, value in super().wanted().items() if key != "writes"}


@dataclass(frozen=True)
class Answers(Resource):
    """An address that answers; `unit` is whose last log lines are shown if it does not.

    `url` starts with http:, https: or tcp:. `ca` is the file with the authority for https.
    """

    kind = "answers"
    url: str
    unit: str
    limit_s: int = 120
    ca: str | None = None

    @property
    def title(self) -> str:
        """The address."""
        return self.url
