#!/usr/bin/python3
"""A language model distilled from a store: documents of text, a label for each token, packed rows.

    python3 examples/tokens.py [folder]

Teacher and student are tiny transformers over bytes; the text is that of the licences that Debian ships. The student never
meets the teacher. It is trained twice, on the teacher's labels and on the text alone, with the same steps.
"""
import glob
import math
import os
import sys
import tempfile
from typing import List, Optional

import numpy as np
import torch
from torch.nn import functional

import decant
from decant.torch import TokenLabels, check_tokens, linear_soft_cross_entropy, pack

NUM_CLASSES = 256  # a token is a byte
LONGEST = 128
HELD_OUT = "MPL-2.0"


def read_documents(names: List[str]) -> List[np.ndarray]:
    """Paragraphs, in pieces where they are long, each once, as bytes [n]."""
    text = b"\n\n".join(open(name, "rb").read() for name in names)
    paragraphs = [b" ".join(paragraph.split()) for paragraph in text.split(b"\n\n")]
    pieces = [paragraph[i : i + LONGEST] for paragraph in paragraphs for i in range(0, len(paragraph), LONGEST)]
    return [np.frombuffer(piece, np.uint8).copy() for piece in dict.fromkeys(pieces) if len(piece) > 16]


class Model(torch.nn.Module):
    """A causal transformer. Tokens attend within their document alone, and count their places from its beginning."""

    def __init__(self, width: int, num_layers: int) -> None:
        super().__init__()
        self.tokens = torch.nn.Embedding(NUM_CLASSES, width)
        self.places = torch.nn.Embedding(LONGEST, width)
        for embedding in (self.tokens, self.places):
            torch.nn.init.normal_(embedding.weight, std=0.1)
        layer = torch.nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)
        self.head = torch.nn.Linear(width, NUM_CLASSES)

    def hidden(self, tokens: torch.Tensor, document_ids: Optional[torch.Tensor] = None) -> torch.Tensor:
        """int64 [B, T] twice -> [B, T, width], what the head is given."""
        if document_ids is None:
            document_ids = torch.zeros_like(tokens)
        steps = torch.arange(tokens.shape[1])
        first = torch.ones_like(document_ids, dtype=torch.bool)
        first[:, 1:] = document_ids[:, 1:] != document_ids[:, :-1]
        places = steps - (steps * first).cummax(1).values
        unseen = (document_ids[:, :, None] != document_ids[:, None, :]) | (steps > steps[:, None])
        return self.layers(self.tokens(tokens) + self.places(places), unseen.repeat_interleave(4, 0))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.hidden(tokens))


def padded_rows(documents: List[np.ndarray]) -> torch.Tensor:
    """int64 [B, T], -100 after a document's end."""
    rows = torch.full((len(documents), max(map(len, documents))), -100)
    for row, document in zip(rows, documents):
        row[: len(document)] = torch.from_numpy(document.astype(np.int64))
    return rows


def text_loss(model: Model, documents: List[np.ndarray]) -> torch.Tensor:
    """Cross-entropy of the next byte, in nats."""
    rows = padded_rows(documents)
    logits = model(rows[:, :-1].clamp(min=0))
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), ignore_index=-100)


def soft_loss(model: Model, documents: List[np.ndarray], store: decant.Store, ids: np.ndarray) -> torch.Tensor:
    """Against the labels of the documents with these ids, packed into rows; logits of all tokens are never held."""
    labels = TokenLabels.read(store, epoch=0, sample_ids=ids)
    check_tokens(documents, labels)  # the text that the teacher saw
    packed = pack(documents, [labels[i] for i in range(len(labels))], LONGEST)
    hidden = model.hidden(packed.tokens, packed.document_ids)
    return linear_soft_cross_entropy(
        hidden, model.head.weight, model.head.bias, packed.labels, temperature=store.temperature, weights=packed.mask
    )


def train(model: Model, num_steps: int, num_documents: int, loss_of) -> None:
    """`loss_of(ids)` is the loss of the documents with these ids."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=num_steps)
    order = np.random.default_rng(0)
    for _ in range(num_steps):
        loss = loss_of(order.choice(num_documents, 32, replace=False))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def label(path: str, documents: List[np.ndarray], folder: str, teacher: Model) -> None:
    """One label for each token. Decant reads documents from a file of tokens and one of their offsets."""
    np.save(os.path.join(folder, "text.npy"), np.concatenate(documents).astype(np.uint16))
    np.cumsum([0, *map(len, documents)]).astype("<u8").tofile(os.path.join(folder, "documents.bin"))
    job = {
        "data": {
            "path": os.path.join(folder, "text.npy"),
            "kind": "documents",
            "documents": os.path.join(folder, "documents.bin"),
        },
        "labels": {"k": 16, "chunk_size": 64, "span_chunks": 4, "calibration_labels": 1024},
        "teacher": {"batch_size": 32},
    }
    with torch.no_grad(), decant.Labeller(
        path, job, num_classes=NUM_CLASSES, teacher="bytes, 2 layers of 96"
    ) as labeller:
        for span in labeller.spans():
            for batch in span:
                batch.put(teacher(batch.inputs))


def main(folder: str, num_steps: int = 300) -> None:
    names = [name for name in sorted(glob.glob("/usr/share/common-licenses/*")) if not os.path.islink(name)]
    documents = read_documents([name for name in names if not name.endswith(HELD_OUT)])
    held_out = read_documents([name for name in names if name.endswith(HELD_OUT)])

    torch.manual_seed(0)
    teacher = Model(96, 2)
    train(teacher, num_steps, len(documents), lambda ids: text_loss(teacher, [documents[i] for i in ids]))
    path = os.path.join(folder, "labels.decant")
    label(path, documents, folder, teacher.eval())
    store = decant.open(path)
    print(store)

    def distil(student: Model, ids: np.ndarray) -> torch.Tensor:
        return soft_loss(student, [documents[i] for i in ids], store, ids)

    def learn_text(student: Model, ids: np.ndarray) -> torch.Tensor:
        return text_loss(student, [documents[i] for i in ids])

    models = {"teacher": teacher}
    for name, loss_of in {"student, from the store": distil, "student, from the text": learn_text}.items():
        torch.manual_seed(1)
        models[name] = student = Model(32, 1)
        train(student, num_steps, len(documents), lambda ids: loss_of(student, ids))
    print(f"Bits per byte of {HELD_OUT}, which nobody has seen:")
    with torch.no_grad():
        for name, model in models.items():
            print(f"  {name:24} {text_loss(model, held_out).item() / math.log(2):.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.makedirs(sys.argv[1], exist_ok=True)
        main(sys.argv[1], *map(int, sys.argv[2:3]))
    else:
        with tempfile.TemporaryDirectory() as work:
            main(work)
