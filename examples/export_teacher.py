#!/usr/bin/python3
"""Writes a PyTorch network as a TorchScript file that `decant produce` takes as its teacher.

Replace the networks below by your own with its trained weights. What the teacher gets and returns:

  images   float32 [B, C, H, W], normalised with the job's teacher.mean and teacher.std  ->  logits [B, classes]
  tokens   int64 [B, tokens], padded on the right with 0; a second argument of forward(), where there is one, gets the
           attention mask, int64 [B, tokens], 1 for tokens and 0 for padding             ->  logits [B, tokens, classes]

Logits are before softmax, as float32, bfloat16 or float16. Of several outputs in a dict or a tuple, teacher.output names
the logits. B is the job's teacher.batch_size, and the number of tokens is the job's too: a traced network must not have
kept those of its example (the export tries others). Save weights in float32: teacher.precision = "bf16" converts them.
The network is left as it is, not frozen: decant freezes it, and counts its parameters before.

Export with the PyTorch version that decant's LibTorch has, or an older one: a newer one's files may use operators that
it does not know: decant then says which LibTorch it has.

An image classifier of timm (https://github.com/huggingface/pytorch-image-models):

    network = timm.create_model("vit_base_patch16_224", pretrained=True, exportable=True)
    # The job's teacher.mean and teacher.std are network.default_cfg["mean"] and ["std"], its views network.default_cfg["input_size"].

A causal language model of Hugging Face's transformers returns an object, so it is wrapped:

    class Logits(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model
        def forward(self, tokens, mask):
            return self.model(input_ids=tokens, attention_mask=mask, use_cache=False, return_dict=True).logits

    model = AutoModelForCausalLM.from_pretrained("gpt2", attn_implementation="eager")
    example = (torch.zeros(1, 16, dtype=torch.int64), torch.ones(1, 16, dtype=torch.int64))
    save(Logits(model), example, "teacher.pt")
"""
import argparse
from typing import Dict

import torch


class Classifier(torch.nn.Module):
    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(channels, 16, 3, padding=1),
            torch.nn.BatchNorm2d(16),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(2),
            torch.nn.Flatten(),
        )
        self.head = torch.nn.Linear(64, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images))


class ClassifierWithFeatures(Classifier):
    def forward(self, images: torch.Tensor) -> Dict[str, torch.Tensor]:
        features = self.body(images)
        return {"logits": self.head(features), "features": features}


class LanguageModel(torch.nn.Module):
    """Tells the next token from the mean of those so far."""

    def __init__(self, classes: int, width: int = 16):
        super().__init__()
        self.embed = torch.nn.Embedding(classes, width)
        self.head = torch.nn.Linear(width, classes)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        mask = mask.unsqueeze(2)
        sums = (self.embed(tokens) * mask).cumsum(1)
        return self.head(sums / mask.cumsum(1).clamp(min=1))


def save(network: torch.nn.Module, example: tuple, path: str) -> None:
    """Traces the network; a dict it returns is kept as one. Fails when another batch size gives other logits."""
    network = network.eval().float()
    with torch.no_grad():
        traced = torch.jit.trace(network, example, strict=False)
        torch.jit.save(traced, path)
        larger = tuple(torch.cat([part, part.flip(-1), part]) for part in example)
        expected, found = network(*larger), torch.jit.load(path)(*larger)
    for one, other in zip(*([o.values() if isinstance(o, dict) else [o] for o in (expected, found)])):
        if one.shape != other.shape or not torch.allclose(one, other, rtol=1e-3, atol=1e-4):
            raise SystemExit(f"{path}: the traced network gives other logits for another batch size; use torch.jit.script")
    print(f"{path}: TorchScript of PyTorch {torch.__version__}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", help="the TorchScript file to write")
    parser.add_argument("--kind", choices=["images", "dict", "tokens"], default="images")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--classes", type=int, default=10, help="of tokens: the vocabulary")
    parser.add_argument("--size", type=int, default=8, help="height and width of the images")
    args = parser.parse_args()

    torch.manual_seed(0)
    if args.kind == "tokens":
        tokens = torch.arange(6).remainder(args.classes).unsqueeze(0)
        save(LanguageModel(args.classes), (tokens, torch.ones_like(tokens)), args.output)
    else:
        maker = ClassifierWithFeatures if args.kind == "dict" else Classifier
        save(maker(args.channels, args.classes), (torch.rand(1, args.channels, args.size, args.size),), args.output)
