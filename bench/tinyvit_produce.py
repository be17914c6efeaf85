#!/usr/bin/python3
"""What `decant bench produce` compares with: a ViT-Tiny teacher, and TinyViT's way to label with it, in PyTorch.

    tinyvit_produce.py export TEACHER.pt --classes C [--linear SIDE]
    tinyvit_produce.py shards OUT --samples N
    tinyvit_produce.py label TEACHER.pt VIEWS.npz OUT --k K --batch B --threads T

`export --linear` writes a linear layer over the pixels instead, and `shards` a tar file of N equal JPEG images of 16 x 16
pixels, for what does not depend on the teacher. `label` runs the TorchScript teacher over rendered views, the array x_train, uint8 [N, H, W, 3], takes the K likeliest classes with
torch.topk, and puts each record, a 4-byte seed, K int16 ids and K float16 probabilities, into the queue of a writer
process that appends it to a file of values and its key to a file of keys, as TinyViT's save_logits.py does. Prints
{"seconds": ..., "bytes": ...}: of the loop with the writer's end, without loading.
"""
import argparse
import io
import json
import multiprocessing
import os
import tarfile
import time

import numpy as np
import torch


class Block(torch.nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = torch.nn.LayerNorm(features)
        self.qkv = torch.nn.Linear(features, 3 * features)
        self.proj = torch.nn.Linear(features, features)
        self.norm2 = torch.nn.LayerNorm(features)
        self.mlp = torch.nn.Sequential(torch.nn.Linear(features, 4 * features), torch.nn.GELU(),
                                       torch.nn.Linear(4 * features, features))

    def forward(self, x):
        n, tokens, features = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, tokens, 3, self.heads, features // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        weights = (q @ k.transpose(-2, -1) * (features // self.heads) ** -0.5).softmax(-1)
        x = x + self.proj((weights @ v).transpose(1, 2).reshape(n, tokens, features))
        return x + self.mlp(self.norm2(x))


class VisionTransformerTiny(torch.nn.Module):
    """ViT-Ti/16 at 224 x 224 (Touvron et al., DeiT, 2021) with random weights and a head that is sure of itself."""

    def __init__(self, classes, features=192, depth=12, heads=3):
        super().__init__()
        self.patches = torch.nn.Conv2d(3, features, 16, 16)
        self.token = torch.nn.Parameter(torch.zeros(1, 1, features))
        self.position = torch.nn.Parameter(0.02 * torch.randn(1, 197, features))
        self.blocks = torch.nn.Sequential(*[Block(features, heads) for _ in range(depth)])
        self.norm = torch.nn.LayerNorm(features)
        self.head = torch.nn.Linear(features, classes)
        with torch.no_grad():
            self.head.weight.mul_(8)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


def write_records(queue, out):
    with open(os.path.join(out, "rank0-values.bin"), "wb") as values, open(
            os.path.join(out, "rank0-keys.txt"), "w") as keys:
        while (item := queue.get()) is not None:
            keys.write(item[0] + "\n")
            values.write(item[1])


def label(args):
    torch.set_num_threads(args.threads)
    teacher = torch.jit.load(args.teacher).eval()
    views = np.load(args.views)["x_train"]
    os.makedirs(args.out, exist_ok=True)
    queue = multiprocessing.Queue()
    writer = multiprocessing.Process(target=write_records, args=(queue, args.out))
    writer.start()
    start = time.perf_counter()
    with torch.no_grad():
        for first in range(0, len(views), args.batch):
            images = torch.from_numpy(np.ascontiguousarray(views[first:first + args.batch]))
            logits = teacher(((images.float() / 255) - 0.5).div(0.5).permute(0, 3, 1, 2).contiguous())
            probs, ids = logits.softmax(-1).topk(args.k)
            probs, ids = probs.half().numpy(), ids.short().numpy()
            seeds = np.random.randint(0, 1 << 31, len(ids), dtype=np.int32)
            for row in range(len(ids)):
                queue.put((f"n00000000_{first + row}", seeds[row].tobytes() + ids[row].tobytes() + probs[row].tobytes()))
    queue.put(None)
    writer.join()
    seconds = time.perf_counter() - start
    size = os.path.getsize(os.path.join(args.out, "rank0-values.bin"))
    print(json.dumps({"seconds": seconds, "bytes": size}))


def export(args):
    torch.manual_seed(0)
    side = args.linear or 224
    teacher = VisionTransformerTiny(args.classes) if not args.linear else torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(3 * side * side, args.classes))
    with torch.no_grad():
        torch.jit.trace(teacher.eval(), torch.randn(2, 3, side, side)).save(args.teacher)


def shards(args):
    from PIL import Image
    jpeg = io.BytesIO()
    Image.fromarray((np.arange(768) % 251).astype(np.uint8).reshape(16, 16, 3)).save(jpeg, "JPEG")
    content = jpeg.getvalue()
    os.makedirs(args.out, exist_ok=True)
    with tarfile.open(os.path.join(args.out, "000000.tar"), "w") as tar:
        for number in range(args.samples):
            entry = tarfile.TarInfo(f"{number:08d}.jpg")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("export")
    command.add_argument("teacher")
    command.add_argument("--classes", type=int, required=True)
    command.add_argument("--linear", type=int)
    command = commands.add_parser("shards")
    command.add_argument("out")
    command.add_argument("--samples", type=int, required=True)
    command = commands.add_parser("label")
    for name in ("teacher", "views", "out"):
        command.add_argument(name)
    for name in ("--k", "--batch", "--threads"):
        command.add_argument(name, type=int, required=True)
    args = parser.parse_args()
    {"export": export, "shards": shards, "label": label}[args.command](args)


if __name__ == "__main__":
    main()
