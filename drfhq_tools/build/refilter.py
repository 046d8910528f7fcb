"""A built data set under other rules: the bytes of a build with them in its place, without looking for a face again.

What people decided since is applied, too, and labels are settled anew from all that is stored of them. A face that a
person rejected stays out, even where the verdict was taken back: only a build brings it in again.

Rules judge by measures that are stored for every face, kept or rejected, so what changes is known from the tables
alone. A face that leaves becomes a reject with all that was known of it. A face that enters is aligned anew from its
raw picture at the stored landmarks; its labels and provenance are read from the sidecars there. Kept crops are not
opened: they get new numbers. Splits stay as they were dealt, unless it is their rules that change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from drfhq_tools.barrier.merge import DUPLICATES_RULE, without_copies
from drfhq_tools.build.assemble import Gathered, commit, finish_interrupted, stage, staging_in
from drfhq_tools.build.ledger import Ledger, Looked, Seen
from drfhq_tools.build.look import Hands, Models, Task, look_at_all, with_labelers
from drfhq_tools.build.rows import Described, describe, rejected, rejected_by, relabelled
from drfhq_tools.config import DEALING, BuildConfig, config_from, expand_preset
from drfhq_tools.errors import DrfhqError, ManifestError, UsageError
from drfhq_tools.filters import RULES, judge, reject_for
from drfhq_tools.lock import locked
from drfhq_tools.manifest.built import read_build
from drfhq_tools.manifest.reader import MANIFEST_NAME, open_manifest, read_labels, read_rejects
from drfhq_tools.manifest.reviews import Review, read_reviews
from drfhq_tools.records import FaceRecord, LabelScores, Reject, RejectReason
from drfhq_tools.sources.base import Found
from drfhq_tools.sources.folder import FolderSource

_FREE: Final = frozenset(
    {*(rule.name for rule in RULES), *DEALING, "near_radius", DUPLICATES_RULE, "min_label_probability"}
)
_IN_ORDER: Final = (
    RejectReason.REVIEWED.value,
    *(rule.name for rule in RULES),
    RejectReason.MATURE.value,
    DUPLICATES_RULE,
)
_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recut:
    """What other rules make of a data set, in faces: ``dropped`` by the rule each failed first, or the reason where no
    rule decided, ``gained`` by the rule that had kept it out."""

    kept: int
    dropped: dict[str, int]
    gained: dict[str, int]


@dataclass(slots=True, kw_only=True)
class _Gain:
    """The faces one picture gives, and the rule that had kept each out, by face index; ``paths`` are all that hold the
    picture."""

    paths: set[str] = field(default_factory=set)
    faces: dict[int, Seen] = field(default_factory=dict)
    rules: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Who stays and what is said of them, how many a rule drops, what each picture gives (by its sha256), all rows of
    the new rejects, and the splits to be kept (by face_id)."""

    kept: list[FaceRecord]
    labels: dict[str, tuple[LabelScores, ...]]
    dropped: dict[str, int]
    gains: dict[str, _Gain]
    rejects: list[Reject]
    splits: dict[str, str]


def refilter(
    data: Path,
    changes: Mapping[str, object],
    *,
    raw: Path | None,
    hands: Hands,
    labeler_files: Mapping[str, Path] | None = None,
    dry_run: bool = False,
) -> Recut:
    """Re-cut the data set in ``data`` with its own settings but for ``changes``, after finishing a commit that was cut.

    ``raw`` is the folder it was built from; it is read only where faces are gained, and so are the labelers' weights:
    ``labeler_files`` by name, else the registry's. With ``dry_run`` the data set is left as it is.

    Raises:
        ManifestError: no whole data set of this version in ``data``.
        UsageError: a change to more than rules and splits, or faces would be gained and ``raw`` is None.
        DrfhqError: a raw picture needed is missing or another than it was, or another process is at work there; the
            data set is left as it was.
    """
    if not data.is_dir():
        raise ManifestError(f"no {MANIFEST_NAME} in {data}: not a finished data set; run `drfhq build`")
    with locked(data):
        return _refilter(data, changes, raw, hands, labeler_files or {}, dry_run)


def _refilter(
    data: Path,
    changes: Mapping[str, object],
    raw: Path | None,
    hands: Hands,
    labeler_files: Mapping[str, Path],
    dry_run: bool,
) -> Recut:
    finish_interrupted(data)
    manifest = open_manifest(data)
    built = read_build(data)
    config = _changed(built.config, changes)
    reviews = read_reviews(data)
    plan = _plan(manifest.faces, read_labels(data), read_rejects(data), config, reviews)
    if config.deals_like(built.config):
        plan.splits.update((face.face_id, face.split) for face in manifest.faces)
    if dry_run:
        return _recut(plan, (rule for gain in plan.gains.values() for rule in gain.rules.values()))
    found = _find(plan.gains, raw, data, hands)
    models = Models(labelers=with_labelers(config, labeler_files)[1] if found else {})
    with staging_in(data) as staging:
        gained = [
            describe(one.source, looked, config, reviews)
            for one, looked in _cut(found, plan.gains, staging, config, models, hands)
        ]
        stage(staging, _gather(data, staging, built.pictures, plan, gained), config)
    commit(data)
    return _recut(plan, (plan.gains[face.source_sha256].rules[face.face_index] for one in gained for face in one.faces))


def _cut(
    found: Sequence[Found], gains: Mapping[str, _Gain], staging: Path, config: BuildConfig, models: Models, hands: Hands
) -> list[tuple[Found, Looked]]:
    """What is seen in the pictures of the faces gained, whose crops are then in the ledger in ``staging``.

    Raises:
        DrfhqError: a picture could not be read this time.
    """
    tasks = []
    for one in found:
        faces = gains[one.source.sha256].faces
        known = Looked(sha256=one.source.sha256, faces=tuple(faces[index] for index in sorted(faces)))
        tasks.append(Task(found=one, work=staging, config=config, models=models, known=known, cut=frozenset(faces)))
    results = look_at_all(tasks, hands)
    seen = []
    for one in found:
        looked = results[one.source.sha256]
        if isinstance(looked, Reject):
            raise DrfhqError(f"{one.source.path}: {looked.message}. Nothing was changed")
        seen.append((one, looked))
    return seen


def _changed(built: BuildConfig, changes: Mapping[str, object]) -> BuildConfig:
    config = config_from(asdict(built) | expand_preset(changes))
    before, after = asdict(built), asdict(config)
    fixed = [name for name in before if name not in _FREE and before[name] != after[name]]
    if fixed:
        names = ", ".join(f"{name} ({before[name]})" for name in fixed)
        raise UsageError(f"a built data set cannot change its {names}: build a new one with `drfhq build`")
    return config


def _plan(
    faces: Iterable[FaceRecord],
    labels: Mapping[str, Iterable[LabelScores]],
    rejects: Iterable[Reject],
    config: BuildConfig,
    reviews: Mapping[str, Review],
) -> _Plan:
    kept: list[FaceRecord] = []
    said: dict[str, tuple[LabelScores, ...]] = {}
    rows: list[Reject] = []
    dropped: Counter[str] = Counter()
    digest = config.rules_digest
    for one in faces:
        review = reviews.get(one.face_id)
        face, said[one.face_id] = relabelled(one, labels.get(one.face_id, ()), config, review)
        reject = rejected(face, config, review)
        if reject is None:
            kept.append(replace(face, rules_digest=digest))
        else:
            dropped[reject.rule or reject.reason.value] += 1
            rows += replace(reject, found=face.found, measures=face.measures).at_each(face.source_paths)
    again = [(reject, _judged_again(reject, config, reviews)) for reject in rejects]
    rows += (reject for _, reject in again if reject is not None)
    stay, gained, copies = without_copies(kept, [reject for reject, now in again if now is None], config)
    if len(stay) < len(kept):
        dropped[DUPLICATES_RULE] = len(kept) - len(stay)
    return _Plan(kept=stay, labels=said, dropped=dropped, gains=_gains(gained), rejects=[*rows, *copies], splits={})


def _judged_again(reject: Reject, config: BuildConfig, reviews: Mapping[str, Review]) -> Reject | None:
    """The row under the new rules, None if the face passes them; what no rule decided stays as it is."""
    if reject.measures is None or reject.face_index is None or reject.candidate is None:
        return reject
    path, index = reject.source_path, reject.face_index
    now = rejected_by(reviews.get(reject.candidate.face_id), path, index)
    if now is None and reject.reason is RejectReason.REVIEWED:
        return reject
    now = now or reject_for(judge(reject.measures, config), path, index, reject.measures)
    if now is None and reject.reason is RejectReason.MATURE:
        return reject
    return now and replace(now, found=reject.found, measures=reject.measures)


def _gains(rows: Iterable[Reject]) -> dict[str, _Gain]:
    """By picture: one that lies there several times has rows for each of its paths, but gives its faces once."""
    gains: dict[str, _Gain] = {}
    for row in rows:
        if row.found is not None and row.measures is not None and row.face_index is not None:
            gain = gains.setdefault(row.found.source_sha256, _Gain())
            gain.paths.add(row.source_path)
            gain.faces[row.face_index] = Seen(face_index=row.face_index, found=row.found, measures=row.measures)
            gain.rules[row.face_index] = str(row.rule)
    return gains


def _recut(plan: _Plan, gained_from: Iterable[str]) -> Recut:
    return Recut(kept=len(plan.kept), dropped=_in_order(plan.dropped), gained=_in_order(Counter(gained_from)))


def _in_order(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in _IN_ORDER if name in counts}


def _find(gains: Mapping[str, _Gain], raw: Path | None, data: Path, hands: Hands) -> list[Found]:
    """The pictures that give faces, each as it was when the data set was built.

    Raises:
        UsageError: there are some, and no folder to look in.
        DrfhqError: one is missing or holds other bytes.
    """
    if not gains:
        return []
    faces = sum(len(gain.faces) for gain in gains.values())
    wanted = f"{faces} faces would be gained and are cut from their pictures"
    if raw is None:
        raise UsageError(f"{wanted}: name the folder {data} was built from with --raw")
    if not raw.is_dir():
        raise UsageError(f"{wanted}, but --raw {raw} is no folder: name the one {data} was built from")
    paths = {path: sha256 for sha256, gain in gains.items() for path in gain.paths}
    scan = FolderSource(root=raw, on_file=lambda done, total: hands.progress("read", done, total), only=paths).scan()
    there = {path: one.source.sha256 for one in scan.found for path in one.source.paths}
    wrong = [
        f"{path} ({'changed' if path in there else 'missing'})"
        for path, sha256 in sorted(paths.items())
        if there.get(path) != sha256
    ]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise DrfhqError(
            f"{raw} no longer holds what {data} was built from: {', '.join(wrong[:_NAMED])}{more}."
            " Nothing was changed; bring them back, or build a new data set"
        )
    return list(scan.found)


def _gather(data: Path, staging: Path, pictures: int, plan: _Plan, gained: Sequence[Described]) -> Gathered:
    """Those who stay and those gained. Measured anew by other libraries, a face may fail a rule it just passed: then it
    is a reject as before."""
    ledger = Ledger(staging)
    new = [face for one in gained for face in one.faces]
    return Gathered(
        pictures=pictures,
        faces=[*plan.kept, *new],
        crops={face.face_id: data / face.image_path for face in plan.kept}
        | {face.face_id: ledger.crop(face.face_id) for face in new},
        labels=plan.labels | {face: said for one in gained for face, said in one.labels.items()},
        rejects=[*plan.rejects, *(reject for one in gained for reject in one.rejects)],
        earlier_splits=plan.splits,
    )
