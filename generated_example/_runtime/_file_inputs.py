"""Files as inputs: what callers give, checked against what the app takes, as Dify wants it.

A `file` input takes a path, `(name, bytes)`, an open binary file, an upload of a web
framework, a URL, an uploaded file, a `File` that another run returned, or the JSON object
that Dify itself takes.

A path counts only where code gives it: `run(doc="report.pdf")`, `XInputs(doc=...)`. Data
that is validated names no file of this machine. From `model_validate_json`,
`model_validate`, a web framework's body or a type adapter come URLs and Dify's own objects
alone; `model_validate(data, context={"local_files": True})` is for data of one's own.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializationInfo,
    ValidationInfo,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from typing_extensions import TypeAliasType

from ._errors import ConfigurationError
from ._files import File, UploadedFile
from ._uploads import (
    MAX_SHOWN_NAME,
    AwaitedFile,
    FileSource,
    UploadedByForm,
    mime_type_of,
    named_source,
)

BY_CODE = {"local_files": True}
"""The validation context in which a text may be a path."""

NO_PATHS = (
    "a text that is no http(s) URL is taken for a path, and validated data names no files "
    'of this machine: give a URL, or Dify\'s own object with "type" and "transfer_method". '
    'For data of your own there is context={"local_files": True} in Python'
)
HTTP = ("http://", "https://")
URL_PATTERN = r"^[hH][tT][tT][pP][sS]?://[^/?#\s]"
TYPES = ("image", "document", "audio", "video", "custom")
OBJECT_KEYS = {
    "local_file": ("upload_file_id",),
    "remote_url": ("url", "remote_url"),
    "tool_file": ("tool_file_id",),
    "datasource_file": ("datasource_file_id",),
}
"""What a file object of each `transfer_method` must have: one of these."""
TYPED_METHODS = ("local_file", "remote_url")
"""Where the server wants a `type`."""

FILE_TYPES: dict[str, str] = {
    extension: file_type
    for file_type, extensions in {
        "image": "jpg jpeg png webp gif svg",
        "document": "txt md markdown mdx pdf html htm xlsx xls docx csv vtt properties",
        "audio": "mp3 m4a wav amr mpga",
        "video": "mp4 mov mpeg webm",
    }.items()
    for extension in extensions.split()
}
"""Dify's own table: what a file counts as, by its extension. Anything else is custom."""

MAYBE_DOCUMENTS = frozenset(("doc", "ppt", "pptx", "eml", "msg", "xml", "epub"))
"""Documents where the server has the Unstructured service, custom files elsewhere."""


class PreparedFile:
    """A file input that was checked: what is sent, or what is uploaded before.

    `wire` is the JSON object for the server; a local file's lacks its `upload_file_id`,
    which is another one for each server and user. `source` is where a local file's bytes
    come from. `owner` is the `user` that an uploaded file belongs to, if that is known.
    """

    __slots__ = ("ids", "name", "owner", "source", "wire")

    def __init__(
        self,
        wire: Mapping[str, Any],
        *,
        name: str = "",
        source: FileSource | None = None,
        owner: str | None = None,
    ) -> None:
        self.wire = dict(wire)
        self.name = name
        self.source = source
        self.owner = owner
        self.ids: dict[tuple[str, str], str] = {}

    def wire_with(self, uploads: "Uploads") -> dict[str, Any]:
        """Return the JSON object for the server, once the file is there."""
        if self not in uploads:
            return self.wire
        return {**self.wire, "upload_file_id": uploads[self]}

    def __repr__(self) -> str:
        shown = self.name or self.wire.get("url") or self.wire.get("upload_file_id")
        return f"PreparedFile({shown!r}, type={self.wire.get('type')!r})"


Uploads = Mapping[PreparedFile, str]
"""The ids of local files that were uploaded for a run."""


def dump_file(file: PreparedFile, info: SerializationInfo) -> Any:
    """Return what stands for a file in a dump: what is sent, and in Python a local file itself.

    Raises:
        ValueError: JSON cannot hold a local file.
    """
    if file.source is None:
        return dict(file.wire)
    if info.mode == "python":
        return file
    raise ValueError(
        f"{file.name[:MAX_SHOWN_NAME]!r} is a local file, which JSON cannot hold: give "
        "the inputs what the client's upload() returns, or a URL"
    )


def is_url(text: object) -> bool:
    """Check whether something is a URL that Dify can fetch."""
    return isinstance(text, str) and re.match(URL_PATTERN, text) is not None


def object_schema(method: str, key: str, types: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of a file object of one `transfer_method`."""
    text = {"type": "string", "minLength": 1}
    url = {"type": "string", "pattern": URL_PATTERN}
    required = ["type"] if method in TYPED_METHODS else []
    return {
        "type": "object",
        "properties": {
            "type": {"enum": list(types)},
            "transfer_method": {"const": method},
            key: url if method == "remote_url" else text,
        },
        "required": [*required, "transfer_method", key],
    }


def extension_of(name: str) -> str:
    """Return the extension in lower case, without its dot; "" if there is none."""
    return os.path.splitext(name)[1][1:].lower()


def detected_type(name: str) -> str:
    """Return what Dify takes a file of this name for: by its extension, else by its MIME type."""
    extension = extension_of(name)
    if extension in FILE_TYPES:
        return FILE_TYPES[extension]
    kind = mime_type_of(name).partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "custom"


class FileRules:
    """Which files a variable takes. Stands in the annotation of an input.

    Attributes:
        types: Dify's `allowed_file_types`; empty for all.
        extensions: Dify's `allowed_file_extensions`, which count for custom files.
        methods: Dify's `allowed_file_upload_methods`. The server does not hold URLs
            against it (seen on 1.12.1), so that only uploads are.
    """

    __slots__ = ("extensions", "methods", "types")

    def __init__(
        self,
        *,
        types: tuple[str, ...] = (),
        extensions: tuple[str, ...] = (),
        methods: tuple[str, ...] = (),
    ) -> None:
        self.types = types
        self.extensions = tuple(item.lower().lstrip(".") for item in extensions)
        self.methods = methods

    def __repr__(self) -> str:
        rules = (
            f"{name}={value!r}"
            for name in self.__slots__
            if (value := getattr(self, name))
        )
        return f"FileRules({', '.join(rules)})"

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                dump_file, info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        objects = [
            object_schema(method, key, self.types or TYPES)
            for method, keys in OBJECT_KEYS.items()
            for key in keys
        ]
        return {"anyOf": [{"type": "string", "pattern": URL_PATTERN}, *objects]}

    def _validate(self, value: Any, info: ValidationInfo) -> PreparedFile:
        try:
            if isinstance(value, str) and not is_url(value) and not is_by_code(info):
                raise ValueError(NO_PATHS)
            return self.prepare(value)
        except ValueError as error:
            raise PydanticCustomError(
                "file", "{reason}", {"reason": str(error)}
            ) from None

    def prepare(self, value: Any) -> PreparedFile:
        """Return the file to send, if the variable takes it.

        Raises:
            ValueError: It does not; the message says why.
        """
        if isinstance(value, PreparedFile):
            return value
        if isinstance(value, UploadedFile):
            wire = {"transfer_method": "local_file", "upload_file_id": value.id}
            file_type = self.type_for(value.name)
            return PreparedFile(
                {"type": file_type, **wire}, name=value.name, owner=value.user
            )
        if isinstance(value, File):
            return self._from_run(value)
        if isinstance(value, Mapping):
            return self._ready_made(cast(Mapping[str, Any], value))
        if isinstance(value, str) and value.lower().startswith(HTTP):
            return self._from_url(value)
        return self._to_upload(*named_source(value))

    def type_for(self, name: str) -> str:
        """Return the `type` to send for a file of this name."""
        found = detected_type(name)
        extension = extension_of(name)
        if extension in MAYBE_DOCUMENTS:
            custom = "custom" in self.types and extension in self.extensions
            found = "document" if "document" in self.types and not custom else "custom"
        if not self.types or found in self.types and found != "custom":
            return found
        if "custom" in self.types and (
            not self.extensions or extension in self.extensions
        ):
            return "custom"
        raise ValueError(self._refusal(name, found))

    def _refusal(self, name: str, found: str) -> str:
        taken = [item for item in self.types if item != "custom"]
        if "custom" in self.types:
            taken += [f".{extension}" for extension in self.extensions]
        what = f"is {'an' if found[0] in 'aeiou' else 'a'} {found} file"
        if found == "custom":
            what = "is of no kind that Dify knows"
        return f"{name[:MAX_SHOWN_NAME]!r} {what}, which is not taken here (taken: {', '.join(taken)})"

    def _to_upload(self, source: FileSource, name: str) -> PreparedFile:
        if self.methods and "local_file" not in self.methods:
            raise ValueError("local files are not taken here: give a URL")
        wire = {"type": self.type_for(name), "transfer_method": "local_file"}
        return PreparedFile(wire, name=name, source=source)

    def _from_url(self, url: str) -> PreparedFile:
        if not is_url(url):
            raise ValueError("the URL has no host")
        name = unquote(urlsplit(url).path.rpartition("/")[2])
        # Without a known extension, the server asks the URL's own server what it is.
        known = extension_of(name) in FILE_TYPES or len(self.types) != 1
        file_type = self.type_for(name) if known else self.types[0]
        wire = {"type": file_type, "transfer_method": "remote_url", "url": url}
        return PreparedFile(wire)

    def _from_run(self, file: File) -> PreparedFile:
        """Return a file that a run returned, as an input (section 6 of the protocol)."""
        name = file.filename or f"file{file.extension or ''}"
        file_type = file.type or self.type_for(name)
        if self.types and file_type not in self.types:
            raise ValueError(self._refusal(name, file_type))
        if file.transfer_method == "local_file" and file.related_id:
            wire = {"transfer_method": "local_file", "upload_file_id": file.related_id}
        elif (url := file.download_url or "").startswith(("http://", "https://")):
            wire = {"transfer_method": "remote_url", "url": url}
        elif file.related_id:
            wire = {"transfer_method": "tool_file", "tool_file_id": file.related_id}
        else:
            raise ValueError(f"{name!r} has neither a URL nor an id")
        return PreparedFile({"type": file_type, **wire})

    def _ready_made(self, wire: Mapping[str, Any]) -> PreparedFile:
        method = wire.get("transfer_method")
        if not isinstance(method, str) or method not in OBJECT_KEYS:
            raise ValueError(
                'a file object needs "transfer_method": "local_file" or "remote_url"'
            )
        found = [wire[key] for key in OBJECT_KEYS[method] if wire.get(key)]
        if not any(isinstance(value, str) for value in found):
            key = OBJECT_KEYS[method][0]
            raise ValueError(f'a file object of method {method!r} needs "{key}"')
        if method == "remote_url" and not any(map(is_url, found)):
            raise ValueError('"url" must begin with http:// or https:// and a host')
        file_type = wire.get("type")
        if file_type is None and "type" not in wire and method not in TYPED_METHODS:
            return PreparedFile(wire)
        if file_type not in TYPES:
            raise ValueError('a file object needs "type", for example "document"')
        if self.types and file_type not in self.types:
            raise ValueError(f"{file_type!r} files are not taken here")
        return PreparedFile(wire)


def is_by_code(info: ValidationInfo) -> bool:
    """Check whether a text may be a path: code gives it, or says so."""
    context: object = info.context
    if info.mode != "python" or not isinstance(context, Mapping):
        return False
    return cast(Mapping[str, object], context).get("local_files") is True


FileInput = TypeAliasType(
    "FileInput",
    Annotated[
        str
        | os.PathLike[str]
        | tuple[str, bytes | BinaryIO | AwaitedFile]
        | BinaryIO
        | AwaitedFile
        | UploadedByForm
        | UploadedFile
        | File
        | Mapping[str, Any],
        FileRules(),
    ],
)
"""What a file input takes: a path, `(name, bytes)`, an open binary file, an upload of a web
framework, a URL, an uploaded file, a `File` that a run returned, or the JSON object that
Dify itself takes."""

FilesInput = Sequence[FileInput]
"""The files of a run or a turn, beside its inputs."""


def prepare_files(
    app: str,
    files: FilesInput | None,
    rules: FileRules | None,
    max_files: int | None,
    *,
    call: str,
    off: str,
) -> tuple[PreparedFile, ...]:
    """Return the files to send with a turn or a run, if the app takes them.

    Raises:
        ConfigurationError: It does not; the message says why.
    """
    if not files:
        return ()
    if isinstance(files, str | bytes) or not isinstance(cast(object, files), Sequence):
        raise ConfigurationError("files must be a list of files, not one")
    if rules is None:
        raise ConfigurationError(f"{app!r} takes no files with a {call}: {off}")
    if max_files is not None and len(files) > max_files:
        raise ConfigurationError(
            f"{app!r} takes {max_files} files with a {call}, not {len(files)}"
        )
    try:
        return tuple(rules.prepare(file) for file in files)
    except ValueError as error:
        raise ConfigurationError(f"files: {error}") from None
