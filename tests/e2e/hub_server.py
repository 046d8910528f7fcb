"""A Hugging Face Hub on the loopback, as far as a data set's push and load need it; it can misbehave as told.

It speaks what the official client and ``datasets`` say to the Hub: create, settings, info, tree (paged), paths-info,
preupload, LFS batch with basic and multipart transfers, verify, commit as NDJSON, resolve with ranges, validate-yaml,
super-squash, the list of LFS files and their deletion. It demands the token, checks every sha256 and counts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import Quiet, served

TOKEN = "hf_loopbackTokenNobodyMaySee"
SIGNATURE = "loopbackSignatureNobodyMaySee"


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Entry:
    """A file of a commit: in git, or the sha256 of one outside it."""

    content: bytes
    lfs: str | None = None


@dataclass
class Repo:
    private: bool
    commits: list[tuple[str, dict[str, Entry]]]  # oldest first
    objects: dict[str, bytes] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return self.commits[-1][0]

    def at(self, revision: str) -> dict[str, Entry] | None:
        if revision == "main":
            return self.commits[-1][1]
        return next((files for name, files in self.commits if name == revision), None)


@dataclass
class Trouble:
    """What goes wrong with requests whose ``METHOD path`` matches, ``times`` times: a status to answer with, ``stall``,
    ``cut`` the connection after some of the body was read, or ``deaf``: do it and never answer."""

    pattern: str
    kind: int | str
    times: int = 1
    after: int = 0  # let so many pass first


@dataclass
class Hub:
    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)  # by METHOD and kind
    put_bytes: int = 0
    put_objects: list[str] = field(default_factory=list)
    page_size: int = 2
    multipart_from: int = 1 << 60  # bytes
    chunk_size: int = 1 << 16
    slow_s: float = 0.0  # before an object is taken
    ending: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def trouble(self, line: str) -> int | str | None:
        with self.lock:
            for one in self.troubles:
                if re.search(one.pattern, line) and one.times > 0:
                    if one.after > 0:
                        one.after -= 1
                        continue
                    one.times -= 1
                    return one.kind
        return None


@contextmanager
def serving() -> Iterator[Hub]:
    """The Hub, while the block runs."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with served(handler) as port:
        hub.url = f"http://127.0.0.1:{port}"
        try:
            yield hub
        finally:
            hub.ending.set()


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Handler(Quiet, BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer goes out as one
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(OSError):  # the client was killed or has had enough
            super().handle()

    def handle_one(self) -> None:
        parts = urlsplit(self.path)
        self.where, self.query = unquote(parts.path), parse_qs(parts.query)
        line = f"{self.command} {self.where}"
        trouble = self.hub.trouble(line)
        if trouble in ("stall", "cut"):
            self.close_connection = True
            self.rfile.read(min(1000, int(self.headers.get("Content-Length") or 0)))
            if trouble == "stall":
                self.hub.ending.wait(20)
            return None
        self.body = self._read_body()
        if isinstance(trouble, int):
            return self._answer({"error": "told to fail"}, status=trouble)
        try:
            for pattern, method in _ROUTES:
                match = re.fullmatch(pattern, line)
                if match:
                    with self.hub.lock:
                        self.hub.requests[f"{self.command} {method}"] += 1
                    if trouble == "deaf":
                        self._answer = lambda *_, **__: None  # type: ignore[method-assign]
                        self.close_connection = True
                    return getattr(self, method)(*match.groups())
            raise _RefusedError(404, f"the loopback Hub knows no {line}", "EntryNotFound")
        except _RefusedError as refusal:
            headers = {"X-Error-Code": refusal.code} if refusal.code else {}
            return self._answer({"error": str(refusal)}, status=refusal.status, headers=headers)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_one  # noqa: N815

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(
        self,
        document: object = None,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> None:
        body = json.dumps(document).encode() if content is None else content
        self.send_response(status)
        if content is None:
            self.send_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _repo(self, name: str, *, write: bool = False) -> Repo:
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not known):
            raise _RefusedError(404 if known else 401, "Repository not found", "RepoNotFound")
        if write and not known:
            raise _RefusedError(403, "write access denied")
        return repo

    def _files(self, repo: Repo, revision: str) -> dict[str, Entry]:
        files = repo.at(revision)
        if files is None:
            raise _RefusedError(404, "no such revision", "RevisionNotFound")
        return files

    # repositories

    def create(self) -> None:
        asked = json.loads(self.body)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise _RefusedError(401, "Invalid credentials in Authorization header")
        name = f"{asked['organization']}/{asked['name']}"
        assert asked["type"] == "dataset"
        with self.hub.lock:
            if name in self.hub.repos:
                raise _RefusedError(409, "You already created this dataset repo")
            first = {".gitattributes": Entry(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n")}
            self.hub.repos[name] = Repo(
                private=asked["visibility"] == "private", commits=[(hashlib.sha1(name.encode()).hexdigest(), first)]
            )
        self._answer({"url": f"{self.hub.url}/datasets/{name}"})

    def settings(self, name: str) -> None:
        self._repo(name, write=True).private = json.loads(self.body)["visibility"] == "private"
        self._answer({})

    def info(self, name: str, revision: str | None = None) -> None:
        repo = self._repo(name)
        files = self._files(repo, revision or "main")
        sha = repo.head if revision in (None, "main") else revision
        siblings = [{"rfilename": path} for path in files]
        self._answer({"id": name, "_id": "0", "sha": sha, "private": repo.private, "siblings": siblings, "tags": []})

    def tree(self, name: str, revision: str, folder: str | None = None) -> None:
        repo = self._repo(name)
        files = self._files(repo, revision)
        begin = f"{folder}/" if folder else ""
        deep = self.query.get("recursive", ["false"])[0].lower() == "true"
        rows: dict[str, dict[str, object]] = {}
        for path, entry in sorted(files.items()):
            if not path.startswith(begin):
                continue
            heads = path[len(begin) :].split("/")[:-1]
            for depth in range(1, len(heads) + 1):
                parent = begin + "/".join(heads[:depth])
                rows.setdefault(
                    parent, {"type": "directory", "path": parent, "oid": git_oid(parent.encode()), "size": 0}
                )
            rows[path] = _described(path, entry, repo)
        if not deep:
            rows = {path: row for path, row in rows.items() if "/" not in path[len(begin) :]}
        if folder and not rows:
            raise _RefusedError(404, "no such folder", "EntryNotFound")
        start = int(self.query.get("cursor", ["0"])[0])
        page = list(rows.values())[start : start + self.hub.page_size]
        headers = {}
        if start + self.hub.page_size < len(rows):
            query = f"recursive={deep}&cursor={start + self.hub.page_size}"
            headers = {"Link": f'<{self.hub.url}{urlsplit(self.path).path}?{query}>; rel="next"'}
        self._answer(page, headers=headers)

    def paths_info(self, name: str, revision: str) -> None:
        repo = self._repo(name)
        files = self._files(repo, revision)
        form = "json" not in self.headers.get("Content-Type", "")
        asked = parse_qs(self.body.decode())["paths"] if form else json.loads(self.body)["paths"]
        rows = [_described(path, files[path], repo) for path in asked if path in files]
        rows += [
            {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}
            for path in asked
            if any(known.startswith(f"{path}/") for known in files)
        ]
        self._answer(rows)

    # uploads

    def validate_yaml(self) -> None:
        content = json.loads(self.body)["content"]
        wrong = content.startswith("---") and "\n---" not in content[3:]
        document = {"errors": [{"message": "no end of the metadata"}] if wrong else [], "warnings": []}
        self._answer(document, status=400 if wrong else 200)

    def preupload(self, name: str, revision: str) -> None:
        files = self._files(self._repo(name, write=True), revision)
        answer = []
        for file in json.loads(self.body)["files"]:
            there = files.get(file["path"])
            mode = "lfs" if file["path"].endswith(".parquet") else "regular"
            row = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
            answer.append(row | ({"oid": there.lfs or git_oid(there.content)} if there else {}))
        self._answer({"files": answer})

    def lfs_batch(self, name: str) -> None:
        repo = self._repo(name, write=True)
        asked = json.loads(self.body)
        assert asked["operation"] == "upload"
        assert asked["hash_algo"] == "sha256"
        self._answer({"transfer": "basic", "objects": [self._instruction(name, repo, one) for one in asked["objects"]]})

    def _instruction(self, name: str, repo: Repo, asked: dict[str, object]) -> dict[str, object]:
        oid, size = str(asked["oid"]), int(str(asked["size"]))
        if oid in repo.objects:
            return {"oid": oid, "size": size}
        base = f"{self.hub.url}/lfs/{name}/{oid}"
        verify = {"href": f"{base}/verify"}
        if size < self.hub.multipart_from:
            return {
                "oid": oid,
                "size": size,
                "actions": {"upload": {"href": f"{base}?sign={SIGNATURE}"}, "verify": verify},
            }
        parts = -(-size // self.hub.chunk_size)
        header = {f"{n + 1:05d}": f"{base}/part/{n}?sign={SIGNATURE}" for n in range(parts)}
        upload = {"href": f"{base}/complete", "header": {"chunk_size": str(self.hub.chunk_size), **header}}
        return {"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}}

    def put(self, name: str, oid: str) -> None:
        self._store(name, oid, self.body)
        self._answer({})

    def put_part(self, name: str, oid: str, number: str) -> None:
        with self.hub.lock:
            self.hub.repos[name].objects[f"{oid}/{number}"] = self.body
            self.hub.put_bytes += len(self.body)
        self._answer({}, headers={"ETag": hashlib.md5(self.body).hexdigest()})

    def complete(self, name: str, oid: str) -> None:
        asked = json.loads(self.body)
        assert asked["oid"] == oid
        objects = self.hub.repos[name].objects
        parts = [objects.pop(f"{oid}/{part['partNumber'] - 1}") for part in asked["parts"]]
        assert [part["etag"] for part in asked["parts"]] == [hashlib.md5(part).hexdigest() for part in parts]
        self.hub.put_bytes -= sum(map(len, parts))
        self._store(name, oid, b"".join(parts))
        self._answer({})

    def _store(self, name: str, oid: str, content: bytes) -> None:
        assert self.query.get("sign", [SIGNATURE]) == [SIGNATURE]
        if hashlib.sha256(content).hexdigest() != oid:
            raise _RefusedError(400, "the content is not that of the oid")
        time.sleep(self.hub.slow_s)
        with self.hub.lock:
            self.hub.repos[name].objects[oid] = content
            self.hub.put_bytes += len(content)
            self.hub.put_objects.append(oid)

    def verify(self, name: str, oid: str) -> None:
        content = self._repo(name, write=True).objects.get(oid)
        if content is None or len(content) != json.loads(self.body)["size"]:
            raise _RefusedError(404, "not there")
        self._answer({})

    def commit(self, name: str, revision: str) -> None:
        assert revision == "main"
        repo = self._repo(name, write=True)
        lines = [json.loads(line) for line in self.body.splitlines()]
        with self.hub.lock:
            if lines[0]["value"].get("parentCommit") not in (None, repo.head):
                raise _RefusedError(412, "A commit has happened since. Please refresh and try again.")
            files = dict(repo.commits[-1][1])
            for line in lines[1:]:
                _apply(line["key"], line["value"], files, repo)
            oid = hashlib.sha1(f"{repo.head}{len(repo.commits)}".encode() + self.body).hexdigest()
            repo.commits.append((oid, files))
        self._answer({"commitUrl": f"{self.hub.url}/datasets/{name}/commit/{oid}", "commitOid": oid, "success": True})

    # history

    def squash(self, name: str, branch: str) -> None:
        assert branch == "main"
        repo = self._repo(name, write=True)
        repo.commits = [(hashlib.sha1(b"squashed" + repo.head.encode()).hexdigest(), repo.commits[-1][1])]
        self._answer({})

    def lfs_files(self, name: str) -> None:
        repo = self._repo(name, write=True)
        rows = [
            {"fileOid": oid, "filename": "x", "oid": oid, "pushedAt": "2026-01-02T03:04:05.000Z", "size": len(content)}
            for oid, content in repo.objects.items()
        ]
        self._answer(rows)

    def delete_lfs_files(self, name: str) -> None:
        repo = self._repo(name, write=True)
        for oid in json.loads(self.body)["deletions"]["sha"]:
            del repo.objects[oid]
        self._answer({})

    # downloads

    def resolve(self, name: str, revision: str, path: str) -> None:
        repo = self._repo(name)
        entry = self._files(repo, revision).get(path)
        if entry is None:
            raise _RefusedError(404, "no such file", "EntryNotFound")
        content = repo.objects[entry.lfs] if entry.lfs else entry.content
        etag = entry.lfs or git_oid(entry.content)
        headers = {
            "X-Repo-Commit": repo.head if revision == "main" else revision,
            "ETag": f'"{etag}"',
            "Accept-Ranges": "bytes",
        }
        if entry.lfs:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            return self._answer(content=content, headers=headers)
        start, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        return self._answer(content=content[start : end + 1], headers=headers, status=206)


def _described(path: str, entry: Entry, repo: Repo) -> dict[str, object]:
    row: dict[str, object] = {"type": "file", "path": path, "oid": git_oid(entry.content), "size": len(entry.content)}
    if entry.lfs:
        size = len(repo.objects[entry.lfs])
        row |= {"size": size, "lfs": {"oid": entry.lfs, "size": size, "pointerSize": len(entry.content)}}
    return row


def _apply(key: str, value: dict[str, str], files: dict[str, Entry], repo: Repo) -> None:
    if key == "file":
        assert value["encoding"] == "base64"
        files[value["path"]] = Entry(base64.b64decode(value["content"]))
    elif key == "lfsFile":
        if value["oid"] not in repo.objects:
            raise _RefusedError(400, f"the object {value['oid']} was not uploaded")
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{value['oid']}\nsize {value['size']}\n"
        files[value["path"]] = Entry(pointer.encode(), lfs=value["oid"])
    elif key == "deletedFile":
        if files.pop(value["path"], None) is None:
            raise _RefusedError(404, "A file with this name doesn't exist", "EntryNotFound")
    else:
        raise _RefusedError(400, f"no such operation: {key}")


_NAME, _OID = r"([^/]+/[^/]+)", r"([0-9a-f]{64})"
_ROUTES = (
    (r"POST /api/repos/create", "create"),
    (r"POST /api/validate-yaml", "validate_yaml"),
    (rf"PUT /api/datasets/{_NAME}/settings", "settings"),
    (rf"GET /api/datasets/{_NAME}/tree/([^/]+)(?:/(.+))?", "tree"),
    (rf"POST /api/datasets/{_NAME}/paths-info/([^/]+)", "paths_info"),
    (rf"POST /api/datasets/{_NAME}/preupload/([^/]+)", "preupload"),
    (rf"POST /api/datasets/{_NAME}/commit/([^/]+)", "commit"),
    (rf"POST /api/datasets/{_NAME}/super-squash/([^/]+)", "squash"),
    (rf"GET /api/datasets/{_NAME}/lfs-files", "lfs_files"),
    (rf"POST /api/datasets/{_NAME}/lfs-files/batch", "delete_lfs_files"),
    (rf"GET /api/datasets/{_NAME}/revision/([^/]+)", "info"),
    (rf"GET /api/datasets/{_NAME}", "info"),
    (rf"POST /datasets/{_NAME}\.git/info/lfs/objects/batch", "lfs_batch"),
    (rf"PUT /lfs/{_NAME}/{_OID}", "put"),
    (rf"PUT /lfs/{_NAME}/{_OID}/part/(\d+)", "put_part"),
    (rf"POST /lfs/{_NAME}/{_OID}/complete", "complete"),
    (rf"POST /lfs/{_NAME}/{_OID}/verify", "verify"),
    (rf"(?:GET|HEAD) /datasets/{_NAME}/resolve/([^/]+)/(.+)", "resolve"),
)
