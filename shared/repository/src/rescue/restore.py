#!/usr/bin/env python3
"""Gets backups out of a DataGuardian repository (format version 1) without DataGuardian; see RESTORE.md.

    restore.py [--kit FILE] REPOSITORY                               list what is there
    restore.py [--kit FILE] REPOSITORY BACKUP --globals  | psql ...  roles and users
    restore.py [--kit FILE] REPOSITORY BACKUP DATABASE   | psql ...  one database as SQL
Every byte is checked before it is written. Exit status 0: all is written; else throw away what was written.
"""
import argparse, base64, hashlib, hmac, json, pathlib, struct, sys, uuid
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("repository", type=pathlib.Path)
for argument in ("backup", "database"): parser.add_argument(argument, nargs="?")
parser.add_argument("--globals", action="store_true")
parser.add_argument("--kit", type=argparse.FileType("rb"), help="the opened recovery kit; - for standard input")
options = parser.parse_args()
decompress = zstandard.ZstdDecompressor().decompress

def check(right, what):
    return right or sys.exit(f"restore.py: {what}")
def named(what, read, *arguments):
    try: return read(*arguments)
    except Exception as error: sys.exit(f"restore.py: {what} is damaged or missing: {error!r}")
def hkdf(secret, salt, info):
    return hmac.digest(hmac.digest(salt or bytes(32), secret, "sha256"), info + b"\x01", "sha256")
kit = named("the opened kit (`age -d`)", json.load, options.kit) if options.kit else {"installation_keys": [], "signers": []}
class Backup:
    def __init__(self, path):
        manifest = json.loads(path.read_bytes())
        self.payload, self.folder = json.loads(manifest["payload"]), path.parents[1]
        self.id, self.datasource = self.payload["backup"], uuid.UUID(self.payload["datasource"])
        check(self.payload["format"] == 1, f"{path}: a newer format; use a newer release")
        check(path.stem == self.id and self.folder.name == str(self.datasource), f"{path}: not its place")
        signers = {hashlib.sha256(key).digest()[:16].hex(): key for key in map(bytes.fromhex, kit["signers"])}
        known = [sign for sign in manifest["signatures"] if sign["key"] in signers]
        check(known or not signers, f"{path}: not signed by the control plane of the kit")
        for sign in known:
            message = f"dataguardian-manifest-v1:{sign['signer']}\n{manifest['payload']}".encode()
            Ed25519PublicKey.from_public_bytes(signers[sign["key"]]).verify(base64.b64decode(sign["signature"]), message)
        derive = lambda info: [hkdf(bytes.fromhex(key), self.datasource.bytes, info) for key in kit["installation_keys"]]
        self.data_keys = {hkdf(key, b"", b"key id")[:16]: key for key in derive(b"data key")}
        self.id_keys = derive(b"id key")
        self.contents = self.payload["contents"].get("plain")
        if sealed := self.payload["contents"].get("sealed"):
            key = self.key(bytes.fromhex(sealed["key"]), bytes.fromhex(sealed["salt"]), b"manifest")
            about = b"\x01" + self.datasource.bytes + uuid.UUID(self.id).bytes
            self.contents = json.loads(decompress(key.decrypt(bytes(12), base64.b64decode(sealed["data"]), about), 1 << 30))
        self.names = [database["name"] for database in self.contents["databases"]]

    def key(self, key_id, salt, info):
        check(key_id in self.data_keys, f"{self.id} is sealed with key {key_id.hex()}: a recovery kit that has it is needed")
        return AESGCM(hkdf(self.data_keys[key_id], salt, info))

    def list(self, name):
        data = named(f"list {name}", (self.folder / "lists" / name[:2] / name).read_bytes)
        check(hashlib.sha256(data).hexdigest() == name and data[:7] == b"DGLIST\x01", f"list {name} is damaged")
        sealed, header = data[56:], data[:56]
        body = self.key(header[40:], header[8:40], b"list").decrypt(bytes(12), sealed, header) if header[7] else sealed
        packs, entries = struct.unpack_from("<II", body)
        for chunk, pack, *place in struct.iter_unpack("<32sHIIII", body[8 + 32 * packs:8 + 32 * packs + 50 * entries]):
            yield chunk, body[8 + 32 * pack:40 + 32 * pack].hex(), *place

    def chunk(self, name, pack, number, offset, stored, size):
        with (self.folder / "packs" / pack[:2] / pack).open("rb") as file:
            header, _, frame = file.read(64), file.seek(offset), file.read(stored)
        check(header[8:15] == b"DGPACK\x01", f"pack {pack} is damaged")
        if header[15]:
            about = b"\x01" + header[16:48] + struct.pack("<I", number) + name
            frame = self.key(header[48:], header[16:48], b"pack").decrypt(struct.pack(">QI", 0, number), frame, about)
        raw = decompress(frame, size)
        ids = [hmac.digest(key, raw, "sha256") for key in self.id_keys] if header[15] else [hashlib.sha256(raw).digest()]
        check(name in ids and len(raw) == size, f"pack {pack}: frame {number} is damaged")
        return raw

    def write(self, stream):
        chunks, size, packs = hashlib.sha256(), 0, self.payload["packs"]
        entries = [entry for place in stream.get("lists", []) for entry in self.list(self.payload["lists"][place[0]][0])]
        entries += [(bytes.fromhex(name), packs[number][0], *place) for name, number, *place in stream.get("tail", [])]
        for entry in entries:
            chunks.update(entry[0])
            size += sys.stdout.buffer.write(named(f"pack {entry[1]}", self.chunk, *entry))
        check(chunks.hexdigest() == stream["digest"] and size == stream["bytes"], f"a stream of {self.id} is not whole")

paths = sorted(options.repository.glob(f"*/backups/{options.backup or '*'}.json"), key=lambda path: path.name)
unread = [] if paths else sys.exit(f"restore.py: {options.repository} has no backup {options.backup or ''}")
for path in paths if not options.backup else []:
    try: backup = named(path, Backup, path)
    except SystemExit as error: unread.append(print(error, file=sys.stderr))
    else: print(path.stem, backup.payload["started_at"], backup.payload["engine"], f"datasource {backup.datasource}:", *backup.names)
if options.backup:
    backup = named(paths[0], Backup, paths[0])
    check(options.globals or options.database in backup.names, f"the backup has: {', '.join(backup.names)}")
    for stream in backup.contents["streams"]:
        of_database = stream.get("database") == options.database and stream["role"] != "schema-archive"
        if stream["role"] == "globals" if options.globals else of_database: backup.write(stream)
sys.exit(sys.stdout.flush() or bool(unread))
