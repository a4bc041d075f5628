"""Uploaded files and file inputs: kinds, limits, signed links, the file object of inputs and outputs, as on 1.12.1."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import mimetypes
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from difygen.mock.definition import JsonObject
from difygen.mock.errors import ApiError, invalid_param
from difygen.servers.releases import MOCKED_BY_DEFAULT, Release

TENANT_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "difygen:tenant"))
LINK_SECONDS = 300
"""How long a signed link is good: the default of FILES_ACCESS_TIMEOUT."""

_KINDS = {
    "image": "jpg jpeg png webp gif svg",
    "video": "mp4 mov mpeg webm",
    "audio": "mp3 m4a wav amr mpga",
    "document": "txt md markdown mdx pdf html htm xlsx xls docx csv vtt properties",
}
_KIND_OF = {extension: kind for kind, extensions in _KINDS.items() for extension in extensions.split()}
REQUESTED_ORIGIN: ContextVar[str] = ContextVar("REQUESTED_ORIGIN", default="")
"""Where the request of the current task, or of the run that it started, was sent to: `http://dify.local:8098`."""

_METHODS = ("local_file", "remote_url", "tool_file", "datasource_file")
_MEGABYTE = 1024 * 1024
LIMITS: Mapping[str, int] = {"image": 10, "video": 100, "audio": 50}
"""Megabytes by kind of file; everything else may have 15."""

FORBIDDEN_IN_NAMES = '/\\:*?"<>|'


def kind_of(extension: str, mime_type: str = "") -> str:
    """Return the kind that Dify detects for a file: by extension, else by MIME type, else `custom`."""
    if kind := _KIND_OF.get(extension.lower().removeprefix(".")):
        return kind
    major = mime_type.partition("/")[0]
    return major if major in ("image", "video", "audio") else "custom"


def size_limit(extension: str) -> int:
    """Return how many bytes a file with that extension may have."""
    return LIMITS.get(_KIND_OF.get(extension.lower(), ""), 15) * _MEGABYTE


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An uploaded file."""

    id: str
    name: str
    content: bytes
    mime_type: str
    created_by: str
    created_at: int

    @property
    def extension(self) -> str:
        return os.path.splitext(self.name)[1].removeprefix(".").lower()


@dataclass(slots=True)
class FileStore:
    """The files of one mock server. `origin` is where its links lead, unless a request came by another address."""

    origin: str = ""
    release: Release = MOCKED_BY_DEFAULT
    files: dict[str, StoredFile] = field(default_factory=dict)
    secret: bytes = field(default_factory=lambda: os.urandom(16))

    def add(self, name: str, content: bytes, mime_type: str, created_by: str) -> StoredFile:
        """Keep an upload, or refuse it like the real server. The literal `{message}` is what 1.12.1 sends."""
        if any(character in FORBIDDEN_IN_NAMES for character in name):
            raise invalid_param("Filename contains invalid characters")
        file = StoredFile(str(uuid.uuid4()), name, content, mime_type, created_by, int(time.time()))
        if len(content) > size_limit(file.extension):
            raise ApiError(413, "file_too_large", "File size exceeded. {message}")
        self.files[file.id] = file
        return file

    def link(self, file: StoredFile) -> str:
        """Return a signed link to the file's bytes: outside /v1, without a key, good for five minutes."""
        timestamp, nonce = str(int(time.time())), uuid.uuid4().hex
        sign = quote(self._sign(file.id, timestamp, nonce), safe="")
        place = f"{REQUESTED_ORIGIN.get() or self.origin}/files/{file.id}/file-preview"
        return f"{place}?timestamp={timestamp}&nonce={nonce}&sign={sign}"

    def open(self, file_id: str, query: Mapping[str, str]) -> StoredFile | None:
        """Return the file behind a link, or None if the link is wrong or too old."""
        timestamp, nonce, sign = (query.get(name, "") for name in ("timestamp", "nonce", "sign"))
        good = hmac.compare_digest(self._sign(file_id, timestamp, nonce).encode(), sign.encode())
        if not good or time.time() - int(timestamp) > LINK_SECONDS:
            return None
        return self.files.get(file_id)

    def _sign(self, file_id: str, timestamp: str, nonce: str) -> str:
        digest = hmac.new(self.secret, f"{file_id}|{timestamp}|{nonce}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode()

    def uploaded(self, file: StoredFile) -> JsonObject:
        """Return the answer to an upload."""
        reference = {"reference": None} if self.release.has("upload-references") else {}
        return reference | {
            "id": file.id,
            "name": file.name,
            "size": len(file.content),
            "extension": file.extension,
            "mime_type": file.mime_type,
            "created_by": file.created_by,
            "created_at": file.created_at,
            "preview_url": None,
            "source_url": self.link(file),
            "original_url": None,
            "user_id": None,
            "tenant_id": TENANT_ID,
            "conversation_id": None,
            "file_key": None,
        }

    def resolve(
        self,
        mapping: Mapping[str, object],
        variable: Mapping[str, object],
        *,
        strict: bool,
        user_id: str | None = None,
    ) -> JsonObject:
        """Return the file object that a run sees for one file input, or refuse it.

        `strict` holds for single files, not for lists (seen on 1.12.1). `user_id` is who uses it, None where that is
        not looked at.
        """
        is_remote = _method(mapping) == "remote_url"
        file = _remote(mapping, strict) if is_remote else self._local(mapping, strict, user_id)
        if not _allowed(file, variable):
            raise invalid_param(f"File validation failed for file: {file['filename']}")
        return self._in_this_release(file)

    def _in_this_release(self, file: JsonObject) -> JsonObject:
        if not self.release.has("file-references"):
            return file
        record = json.dumps({"record_id": file["related_id"]}).encode()
        reference = f"dify-file-ref:{base64.urlsafe_b64encode(record).decode()}" if file["related_id"] else None
        remote = file["remote_url"] if file["transfer_method"] == "remote_url" else ""
        kept = {key: value for key, value in file.items() if key != "tenant_id"}
        return kept | {"remote_url": remote, "reference": reference}

    def _local(self, mapping: Mapping[str, object], strict: bool, user_id: str | None) -> JsonObject:
        file_id = mapping.get("upload_file_id")
        if not file_id:
            raise invalid_param("Invalid upload file id")
        if not is_uuid(file_id):
            raise invalid_param("Invalid upload file id format")
        stored = self.files.get(str(file_id).lower())
        if stored is None:
            raise invalid_param("Invalid upload file")
        if self.release.has("owned-files") and user_id is not None and stored.created_by not in ("", user_id):
            raise invalid_param("Invalid upload file")
        extension = f".{stored.extension}" if stored.extension else ""
        kind = _checked_kind(mapping, kind_of(extension, stored.mime_type), strict)
        file = file_object(kind, "local_file", stored.name, extension, stored.mime_type, len(stored.content))
        return file | {"remote_url": self.link(stored), "related_id": stored.id, "url": self.link(stored)}

    def example(self, name: str) -> JsonObject:
        """Return a file for an output that nobody prescribed: a text that can really be downloaded."""
        content = f"{name}, written by difygen mock\n".encode()
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"difygen:example:{name}"))
        safe_name = "".join("_" if character in FORBIDDEN_IN_NAMES else character for character in name) or "file"
        stored = self.files.get(key) or StoredFile(key, f"{safe_name}.txt", content, "text/plain", "", int(time.time()))
        self.files[key] = stored
        file = file_object("document", "tool_file", stored.name, ".txt", "text/plain", len(content))
        return self._in_this_release(file | {"related_id": key, "url": self.link(stored)})


def is_uuid(value: object) -> bool:
    """Return whether the value is the text of a UUID."""
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True


def file_object(kind: str, method: str, name: str | None, extension: str, mime_type: str, size: int) -> JsonObject:
    """Return Dify's file object, as outputs carry it (seen on 1.12.1)."""
    return {
        "dify_model_identity": "__dify__file__",
        "id": None,
        "tenant_id": TENANT_ID,
        "type": kind,
        "transfer_method": method,
        "remote_url": None,
        "related_id": None,
        "filename": name,
        "extension": extension,
        "mime_type": mime_type,
        "size": size,
        "url": None,
    }


def is_file(value: object) -> bool:
    """Return whether an output value is a file object."""
    return isinstance(value, Mapping) and value.get("dify_model_identity") == "__dify__file__"


def files_in(outputs: Mapping[str, object]) -> list[object]:
    """Return the file objects among outputs, those of lists included: the `files` of an event."""
    values = [each for value in outputs.values() for each in (value if isinstance(value, list) else [value])]
    return [value for value in values if is_file(value)]


def usable(mapping: Mapping[str, object]) -> bool:
    """Return whether a member of a file list is looked at; others are dropped without a word (seen on 1.12.1)."""
    method = mapping.get("transfer_method")
    return bool(method) and (method != "remote_url" or bool(mapping.get("url") or mapping.get("remote_url")))


def _method(mapping: Mapping[str, object]) -> str:
    method = mapping.get("transfer_method")
    if not method:
        raise invalid_param("transfer_method is required in file mapping")
    if method not in _METHODS:
        raise invalid_param(f"No matching enum found for value '{method}'")
    return str(method)


def _checked_kind(mapping: Mapping[str, object], detected: str, strict: bool) -> str:
    wanted = str(mapping.get("type") or "custom")
    if strict and wanted != detected:
        raise invalid_param("Detected file type does not match the specified type. Please verify the file.")
    return detected if wanted == "custom" else wanted


def _remote(mapping: Mapping[str, object], strict: bool) -> JsonObject:
    """Return a remote file, judged by its URL alone: the mock opens no connection to anywhere."""
    url = str(mapping.get("url") or mapping.get("remote_url") or "")
    if not url:
        raise invalid_param("Invalid file url")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid_param(f"Reached maximum retries (3) for URL {url}")
    name = unquote(parts.path.rpartition("/")[2])
    extension = os.path.splitext(name)[1].lower()
    mime_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = _checked_kind(mapping, kind_of(extension, mime_type), strict)
    file = file_object(kind, "remote_url", name, extension or ".bin", mime_type, -1)
    return file | {"remote_url": url, "url": url}


def _allowed(file: JsonObject, variable: Mapping[str, object]) -> bool:
    kinds = _texts(variable.get("allowed_file_types"))
    if kinds and file["type"] not in kinds and file["type"] != "custom":
        return False
    if file["type"] != "custom" or "allowed_file_extensions" not in variable:
        return True
    return file["extension"] in _texts(variable.get("allowed_file_extensions"))


def _texts(value: object) -> Sequence[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []
