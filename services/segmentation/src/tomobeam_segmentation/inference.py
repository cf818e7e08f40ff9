"""Inference: from an image and a model to a segmentation in Tiled, slice by slice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tomobeam_contracts.tree import UNLABELLED, ResultMetadata
from tomobeam_segmentation.access import Image, Place
from tomobeam_segmentation.algorithms import Model
from tomobeam_segmentation.classifiers import Array
from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.job import Job
from tomobeam_segmentation.masks import Mask
from tomobeam_segmentation.results import Result
from tomobeam_segmentation.resume import Resume
from tomobeam_segmentation.store import ModelCard, load_model, model_folder
from tomobeam_segmentation.talk import progress, say


@dataclass(frozen=True)
class Segmenter:
    """A model and how to use it on a slice."""

    card: ModelCard
    model: Model
    keep_probability: bool

    def segment(self, values: Array) -> tuple[Array, Array | None]:
        """Classify one slice, (H, W) of any number type.

        Returns the class of each pixel, int8 (H, W), −1 where the image has no value (NaN), and
        the probability, uint8 (classes, H, W) with 255 = 1, or None where it is not kept.
        """
        plane, finite = self.card.intensity.normalise(values)
        labels = np.empty(plane.shape, np.int8)
        values_of = np.array(self.card.labels, np.int8)
        share = None
        if self.keep_probability:
            share = np.zeros((self.card.class_count, *plane.shape), np.uint8)
        for rows, found in self.model.probability(plane):
            labels[rows] = values_of[found.argmax(axis=0)]
            if share is not None:
                share[self.card.labels, rows] = np.rint(found * 255).astype(np.uint8)
        labels[~finite] = UNLABELLED
        if share is not None:
            share[:, ~finite] = 0
        return labels, share


def inference(job: Job) -> None:
    """Segment the job's image, all of it or the annotated slices, with the model it names.

    A run that was killed and is started again with the same `uid_save` goes on where it stopped.

    Raises:
        JobError: model, image, mask or a parameter is wrong; names it.
        JobFailed: Tiled or the disk failed the job; the result is then marked as failed.
    """
    card, model = _model(job)
    keep = job.parameters["save_probability"]
    with job.data() as data, job.results() as results:
        image = Image(data)
        slices = _annotated(job, image)
        planes = range(image.shape[0]) if slices is None else slices
        metadata = _metadata(job, card, slices)
        resume = Resume(
            job.folder,
            {"result": metadata.to_wire(), "model": card.sha256, "shape": list(image.shape)},
        )
        done = resume.done()
        result = Result(
            results,
            metadata,
            (len(planes), *image.shape[1:]),
            card.class_count if keep else None,
        )
        if done:
            say(f"going on after {done} of {len(planes)} slices")
        segmenter = Segmenter(card, model, keep)
        try:
            n_jobs = job.parameters["n_jobs"]
            _segment_all(image, segmenter, result, resume, planes, done=done, n_jobs=n_jobs)
        except BaseException:
            result.fail()
            raise
        result.complete()
    say(f"segmented: {len(planes)} slices are in /{result.path}")


def _segment_all(
    image: Image,
    segmenter: Segmenter,
    result: Result,
    resume: Resume,
    planes: Sequence[int],
    *,
    done: int,
    n_jobs: int,
) -> None:
    total = len(planes)

    def one(k: int) -> None:
        result.write(k, *segmenter.segment(image.slice(planes[k])))

    for k in _in_order(one, range(done, total), n_jobs):
        resume.record(k + 1)
        progress(k + 1, total, "slices segmented")


def _in_order(work: Callable[[int], None], numbers: range, n_jobs: int) -> Iterator[int]:
    """Run `work` on `n_jobs` numbers at a time; yields each in order when it is done.

    At most `n_jobs` slices are in memory: the next is begun when the oldest is done.
    """
    pool = ThreadPoolExecutor(n_jobs, thread_name_prefix="slice")
    pending: deque[tuple[int, Future[None]]] = deque()
    waiting = iter(numbers)
    try:
        for k in waiting:
            pending.append((k, pool.submit(work, k)))
            if len(pending) == n_jobs:
                k, future = pending.popleft()  # noqa: PLW2901 - the oldest
                future.result()
                yield k
        for k, future in pending:
            future.result()
            yield k
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _model(job: Job) -> tuple[ModelCard, Model]:
    uid = job.io.uid_retrieve
    if not uid:
        raise JobError("io_parameters.uid_retrieve: missing; it names the trained model")
    folder = model_folder(job.io.models_dir, uid, "uid_retrieve")
    card, model = load_model(folder, job.algorithms, job.algorithm, job.parameters)
    say(f"model {uid}: {card.algorithm}, trained on {card.data_uri}")
    return card, model


def _annotated(job: Job, image: Image) -> list[int] | None:
    if not job.io.mask_tiled_uri:
        return None
    place: Place
    with job.mask() as place:
        return sorted(Mask(place, image).slices)


def _metadata(job: Job, card: ModelCard, slices: list[int] | None) -> ResultMetadata:
    return ResultMetadata(
        data_uri=job.io.data_tiled_uri,
        mask_uri=job.io.mask_tiled_uri,
        mask_idx=slices,
        uid=job.io.uid_save,
        job_name=job.name,
        model=card.uid,
        algorithm=card.algorithm,
        parameters=card.parameters | {"save_probability": job.parameters["save_probability"]},
        code_version=job.code_version,
        classes=card.classes,
        scores=card.scores,
        status="running",
    )
