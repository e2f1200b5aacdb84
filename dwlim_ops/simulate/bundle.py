"""Model bundles on disk: immutable, hashed, and proven by a known answer when read.

    <store>/<region>/<bundle_id>/
        bundle.toml           what the model is; sha256 of the three files below
        weights.safetensors   networks and scaler
        known_answer.npz      sequences and the displacement that they must give
        card.md               the same for people

The id ends in the sha256 of `bundle.toml`, hence of everything: two bundles with one id are equal.
"""

import hashlib
import io
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from dwlim_ops.errors import BundleError, ContractError
from dwlim_ops.simulate.card import render_card
from dwlim_ops.simulate.lstm import Float32, StationLstms, simulate
from dwlim_ops.simulate.manifest import Manifest, manifest_toml, read_manifest

MANIFEST: Final = "bundle.toml"
WEIGHTS: Final = "weights.safetensors"
KNOWN_ANSWER: Final = "known_answer.npz"
CARD: Final = "card.md"
TOLERANCE_MM: Final = 1e-4
ANOTHER: Final = "copy the bundle again from where it was trained, or promote another"


@dataclass(frozen=True)
class Bundle:
    """A trained model and everything needed to serve it.

    `scaler` holds the arrays of the feature scaler by name; `known_sequences`, shape
    (n, sequence_days, n_features), are the inputs of the stored known answer.
    """

    manifest: Manifest
    lstms: StationLstms
    scaler: dict[str, NDArray[np.floating]]
    known_sequences: Float32


def write_bundle(store: Path, bundle: Bundle) -> str:
    """Write a bundle to `<store>/<region>/<bundle_id>/` and return its id.

    The same bundle gives the same bytes and id; one that is already there is left alone.

    Raises
    ------
    BundleError
        Arrays disagree with the manifest or are not finite.
    """
    where = f"{bundle.manifest.region}/{bundle.manifest.name}"
    _check_consistent(bundle, where)
    content = {
        WEIGHTS: safetensors.numpy.save(_tensors(bundle)),
        KNOWN_ANSWER: _npz(bundle.known_sequences, simulate(bundle.lstms, bundle.known_sequences)),
        CARD: render_card(bundle.manifest).encode(),
    }
    declared = manifest_toml(bundle.manifest, {n: _sha256(data) for n, data in content.items()})
    content[MANIFEST] = declared.encode()
    bundle_id = _bundle_id(bundle.manifest.name, content[MANIFEST])
    region = store / bundle.manifest.region
    region.mkdir(parents=True, exist_ok=True)
    if not (region / bundle_id).exists():
        _put(region / bundle_id, content)
    return bundle_id


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle and prove that it is whole and gives its known answer here.

    Raises
    ------
    BundleError
        A file is missing or altered, the schema is unknown, arrays do not fit the manifest or are
        not finite, or the known answer is missed by more than 1e-4 mm.
    """
    raw = _read(folder / MANIFEST)
    name = folder.resolve().name
    if name != _bundle_id(name.rpartition("-")[0], raw):
        raise BundleError("file was altered", where=str(folder / MANIFEST), got=_sha256(raw),
                          expected=f"a sha256 that starts with the id's end in {name!r}",
                          remedy=ANOTHER)
    manifest, hashes = read_manifest(raw.decode(errors="replace"), where=str(folder / MANIFEST))
    content = {name: _read(folder / name) for name in (WEIGHTS, KNOWN_ANSWER, CARD)}
    for name, data in content.items():
        if _sha256(data) != hashes.get(name):
            raise BundleError("file was altered", where=str(folder / name), remedy=ANOTHER,
                              expected=f"sha256 {hashes.get(name)}", got=_sha256(data))
    try:
        tensors = safetensors.numpy.load(content[WEIGHTS])
        scaler = {name.removeprefix("scaler."): array for name, array in tensors.items()
                  if name.startswith("scaler.")}
        lstms = StationLstms(**{name.removeprefix("lstms."): array
                                for name, array in tensors.items() if name.startswith("lstms.")})
        with np.load(io.BytesIO(content[KNOWN_ANSWER]), allow_pickle=False) as known:
            sequences, answer_mm = known["sequences"], known["up_mm"]
    except (SafetensorError, zipfile.BadZipFile, ContractError, TypeError, KeyError,
            ValueError) as error:
        raise BundleError("arrays are not those of a bundle", where=str(folder), got=repr(error),
                          expected="networks, scaler and known answer", remedy=ANOTHER) from error
    bundle = Bundle(manifest, lstms, scaler, sequences)
    _check_consistent(bundle, str(folder))
    _check_answer(bundle, answer_mm, str(folder / KNOWN_ANSWER))
    return bundle


def check_serves(bundle: Bundle, *, region: str, feature_names: Sequence[str]) -> None:
    """Refuse a bundle that was made for another region, other features or another order of them.

    Raises
    ------
    BundleError
    """
    manifest = bundle.manifest
    where = f"bundle {manifest.region}/{manifest.name}"
    if manifest.region != region:
        raise BundleError("made for another region", where=where, expected=region,
                          got=manifest.region, remedy="set the bundle of this region")
    if manifest.feature_names != tuple(feature_names):
        raise BundleError(
            "features differ in name or order", where=where, got=", ".join(feature_names),
            expected=", ".join(manifest.feature_names),
            remedy="serve the feature set named in bundle.toml, or train on this one",
        )


def _check_consistent(bundle: Bundle, where: str) -> None:
    manifest, lstms, settings = bundle.manifest, bundle.lstms, bundle.manifest.training_settings
    agreements = {
        "controls": (len(manifest.controls.station), lstms.n_controls),
        "seeds": (settings.n_seeds, lstms.n_seeds),
        "hidden units": (settings.hidden_size, lstms.hidden_size),
        "features": (len(manifest.feature_names), lstms.n_features),
        "days and features of the known sequences": (
            (manifest.sequence_days, lstms.n_features), bundle.known_sequences.shape[1:]),
        "known sequences": (True, len(bundle.known_sequences) > 0),
    }
    for name, (declared, found) in agreements.items():
        if declared != found:
            raise BundleError(f"number of {name} disagrees", where=where, got=f"{found} in arrays",
                              expected=f"{declared} declared in {MANIFEST}")
    for name, array in {**_tensors(bundle), "known_sequences": bundle.known_sequences}.items():
        if not np.isfinite(array).all():
            raise BundleError("value is not finite", where=f"{where}: {name}",
                              expected="finite numbers",
                              got=f"{np.count_nonzero(~np.isfinite(array))} NaN or infinite",
                              remedy="train again")


def _check_answer(bundle: Bundle, expected_mm: Float32, where: str) -> None:
    got_mm = simulate(bundle.lstms, bundle.known_sequences)
    if got_mm.shape != expected_mm.shape:
        raise BundleError("known answer has the wrong shape", where=where, remedy=ANOTHER,
                          expected=str(got_mm.shape), got=str(expected_mm.shape))
    largest = float(np.abs(got_mm - expected_mm).max())
    if not largest <= TOLERANCE_MM:
        raise BundleError(
            "known answer is missed", where=where, got=f"a difference of {largest:.3g} mm",
            expected=f"at most {TOLERANCE_MM:g} mm",
            remedy="this machine's torch computes otherwise: run the torch of constraints.txt",
        )


def _tensors(bundle: Bundle) -> dict[str, NDArray[np.floating]]:
    """Named contiguous arrays: safetensors writes a view's memory, not its elements."""
    named = {**{f"lstms.{name}": array for name, array in bundle.lstms.arrays().items()},
             **{f"scaler.{name}": array for name, array in bundle.scaler.items()}}
    return {name: np.ascontiguousarray(array) for name, array in named.items()}


def _npz(sequences: Float32, up_mm: Float32) -> bytes:
    """An npz file; numpy dates its members 1980-01-01, so that equal arrays give equal bytes."""
    stream = io.BytesIO()
    np.savez(stream, sequences=sequences, up_mm=up_mm)
    return stream.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _bundle_id(name: str, manifest: bytes) -> str:
    return f"{name}-{_sha256(manifest)[:16]}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        present = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        raise BundleError("file is missing or unreadable", where=str(path), expected=path.name,
                          got=f"{error.strerror}; there are {present}", remedy=ANOTHER) from error


def _put(folder: Path, content: dict[str, bytes]) -> None:
    """Write all files aside, then give the folder its name in one step."""
    aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        for name, data in content.items():
            (aside / name).write_bytes(data)
        aside.chmod(0o755)
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
