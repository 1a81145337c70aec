"""The mark that says a file was made by AI: a C2PA manifest, signed by a certificate of this device's own.

Nobody vouches for that certificate; what the mark shows is that the file was not changed since. It names no
person and no words of the prompt, and making it asks no other machine.
"""

import datetime
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.errors import MediaError
from backend.media.files import PARTIAL_SUFFIX

MARKED_TYPES = ("video/mp4", "image/gif", "audio/wav")
"""The media types of exports that can hold a mark."""

CERTIFICATE, KEY = "certificate.pem", "key.pem"
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MADE_BY_AI = f"{_SOURCE_TYPES}trainedAlgorithmicMedia"
PARTLY_MADE_BY_AI = f"{_SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"

_VALID_DAYS = 3650
_ORGANISATION = "Kinora on this device"


def source_type(made: Mapping[str, Any]) -> str:
    """Return how much of a file is made by AI, by what its metadata says under "kinora"."""
    kinds = [(each.get("request") or {}).get("kind", "clip") for each in (made, made.get("clip") or made)]
    is_drawn = "clip" in kinds  # what only has details or sound added may be somebody's own picture
    return MADE_BY_AI if is_drawn else PARTLY_MADE_BY_AI


def mark(path: Path, *, media_type: str, made_by: str, device_dir: Path, version: str) -> None:
    """Mark the file at `path`, of one of MARKED_TYPES; the certificate lies in `device_dir`, made at need.

    made_by: of `source_type`. Raises MediaError where the mark cannot be made or does not read back.
    """
    import c2pa  # 20 MB that only exports need

    marked = path.with_suffix(f".marked{PARTIAL_SUFFIX}")
    try:
        certificate, key = _device(device_dir)
        info = c2pa.C2paSignerInfo("es256", certificate.encode(), key.encode(), None)
        with (
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(json.dumps(_manifest(made_by, version))) as builder,
            path.open("rb") as source,
            marked.open("w+b") as target,
        ):
            builder.sign(signer, media_type, source, target)
        if read_mark(marked, media_type=media_type) is None:
            raise MediaError(
                "The export was not kept because its AI mark did not read back; export it again."
            )
        marked.replace(path)
    except (c2pa.C2paError, ValueError) as exc:
        raise MediaError(f"The export cannot be marked as made by AI ({exc}); export it without.") from exc
    finally:
        marked.unlink(missing_ok=True)


def read_mark(path: Path, *, media_type: str) -> dict[str, Any] | None:
    """Return the manifest of the mark in the file at `path`, or None where it has none or was changed."""
    import c2pa

    try:
        with path.open("rb") as file, c2pa.Reader(media_type, file) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError:
        return None
    if store.get("validation_state") not in ("Valid", "Trusted"):
        return None
    return dict(store["manifests"][store["active_manifest"]])


def _manifest(made_by: str, version: str) -> dict[str, Any]:
    program = {"name": "Kinora", "version": version}
    created = {"action": "c2pa.created", "digitalSourceType": made_by, "softwareAgent": program}
    return {
        "claim_generator_info": [program],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }


def _device(folder: Path) -> tuple[str, str]:
    """Return the certificates, from this device's up, and its private key, as PEM; made where missing."""
    try:
        paths = folder / CERTIFICATE, folder / KEY
        if not all(path.is_file() for path in paths):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path, text in zip(paths, _new_device(), strict=True):
                _write_private(path, text)
        certificate, key = (path.read_text(encoding="ascii") for path in paths)
        return certificate, key
    except OSError as exc:
        raise MediaError(f"The certificate for AI marks cannot be kept: {exc.strerror}.") from exc


def _new_device() -> tuple[str, str]:
    """Return new certificates and a new key: C2PA refuses a certificate that signed itself."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate(root_key, root_key, is_root=True)
    leaf = _certificate(key, root_key, is_root=False)
    pem = serialization.Encoding.PEM
    chain = b"".join(each.public_bytes(pem) for each in (leaf, root)).decode("ascii")
    form = serialization.PrivateFormat.PKCS8
    return chain, key.private_bytes(pem, form, serialization.NoEncryption()).decode("ascii")


def _certificate(key: Any, issuer_key: Any, *, is_root: bool) -> Any:
    """Return the certificate of `key`, signed by `issuer_key`, as the C2PA specification (14.5) wants it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(common: str) -> x509.Name:
        attributes = {NameOID.ORGANIZATION_NAME: _ORGANISATION, NameOID.COMMON_NAME: common}
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes.items()])

    now = datetime.datetime.now(datetime.UTC)
    uses = {each: False for each in _KEY_USES} | {"key_cert_sign" if is_root else "digital_signature": True}
    public, issuer = key.public_key(), issuer_key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("root" if is_root else "exports"))
        .issuer_name(name("root"))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**uses), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )
    if not is_root:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


_KEY_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _write_private(path: Path, text: str) -> None:
    """Write `text` to a file that only its owner reads."""
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii"
    ) as file:
        file.write(text)
