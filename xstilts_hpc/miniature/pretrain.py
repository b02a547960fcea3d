"""Pretrain the small XLM-R encoder with masked-language modelling on the multilingual text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaModel, XLMRobertaTokenizer

IGNORED = -100


@dataclass(frozen=True)
class Pretraining:
    """Hold the settings of the pretraining; `steps` fixes its cost, so that the same settings give the same weights."""

    steps: int = 1900
    batch_size: int = 32
    learning_rate: float = 2.5e-3
    warmup_fraction: float = 0.1
    masked_fraction: float = 0.3
    seed: int = 0
    hidden_size: int = 96
    num_layers: int = 3
    num_heads: int = 4


def make_model(settings: Pretraining, num_pieces: int) -> XLMRobertaForMaskedLM:
    """Return a small XLM-R with fresh weights."""
    torch.manual_seed(settings.seed)
    return XLMRobertaForMaskedLM(
        XLMRobertaConfig(
            vocab_size=num_pieces,
            hidden_size=settings.hidden_size,
            num_hidden_layers=settings.num_layers,
            num_attention_heads=settings.num_heads,
            intermediate_size=2 * settings.hidden_size,
            max_position_embeddings=258,
            type_vocab_size=1,
            layer_norm_eps=1e-5,
            # So small a model cannot learn its text by heart, and dropout is slow on a CPU.
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )


def pretrain(
    lines: Sequence[str],
    tokenizer: XLMRobertaTokenizer,
    *,
    settings: Pretraining,
    progress: Callable[[str, float], None],
) -> tuple[XLMRobertaForMaskedLM, list[float]]:
    """Return the pretrained model and the loss of each step."""
    model = make_model(settings, len(tokenizer))
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, settings))
    rows = [torch.tensor(ids) for ids in tokenizer(list(lines))["input_ids"]]
    losses = []
    for step, (inputs, labels) in enumerate(batches(rows, tokenizer, settings)):
        loss = masked_loss(model, inputs, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 10 == 0:
            progress(f"pretraining, loss {loss.item():.2f}", step / settings.steps)
    return model, losses


def rate(step: int, settings: Pretraining) -> float:
    """Return the factor of the learning rate: linear warm-up, then linear decay to zero."""
    warmup = max(1, round(settings.warmup_fraction * settings.steps))
    return min((step + 1) / warmup, (settings.steps - step) / max(1, settings.steps - warmup))


def masked_loss(model: XLMRobertaForMaskedLM, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy at the masked places; only there is the output layer computed."""
    mask = (inputs != model.config.pad_token_id).long()
    hidden = model.roberta(input_ids=inputs, attention_mask=mask).last_hidden_state
    masked = labels != IGNORED
    return functional.cross_entropy(model.lm_head(hidden[masked]), labels[masked])


def batches(
    rows: Sequence[Tensor], tokenizer: XLMRobertaTokenizer, settings: Pretraining
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of rows of like length, with pieces masked anew each time."""
    source = np.random.default_rng(settings.seed)
    chunk = 16 * settings.batch_size
    made = 0
    while True:
        order = source.permutation(len(rows))
        for start in range(0, len(order) - chunk + 1, chunk):
            by_length = sorted(order[start : start + chunk], key=lambda index: len(rows[index]))
            for first in source.permutation(range(0, chunk, settings.batch_size)):
                chosen = [rows[index] for index in by_length[first : first + settings.batch_size]]
                yield mask_pieces(chosen, tokenizer, source, settings.masked_fraction)
                made += 1
                if made == settings.steps:
                    return


def mask_pieces(
    rows: Sequence[Tensor], tokenizer: XLMRobertaTokenizer, source: np.random.Generator, fraction: float
) -> tuple[Tensor, Tensor]:
    """Return padded inputs with a fraction of the pieces hidden (80 % mask, 10 % random, 10 % kept), and labels."""
    inputs = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=tokenizer.pad_token_id)
    draw = torch.from_numpy(source.random(inputs.shape))
    chosen = (inputs > tokenizer.unk_token_id) & (draw < fraction)
    labels = torch.where(chosen, inputs, IGNORED)
    random_pieces = torch.from_numpy(source.integers(tokenizer.unk_token_id + 1, len(tokenizer) - 1, inputs.shape))
    masked = torch.where(chosen & (draw < 0.8 * fraction), tokenizer.mask_token_id, inputs)
    replaced = torch.where(chosen & (draw >= 0.9 * fraction), random_pieces, masked)
    return replaced, labels


def encoder_of(model: XLMRobertaForMaskedLM) -> XLMRobertaModel:
    """Return the encoder with a pooler, which masked-language modelling does not train."""
    encoder = XLMRobertaModel(model.config)
    encoder.load_state_dict(model.roberta.state_dict(), strict=False)
    torch.manual_seed(0)
    # XLM-R's own start (deviation 0.02) shrinks so narrow a vector five times, and fine-tuning must undo it first.
    torch.nn.init.orthogonal_(encoder.pooler.dense.weight)
    torch.nn.init.zeros_(encoder.pooler.dense.bias)
    return encoder
