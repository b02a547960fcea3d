"""Train a SentencePiece model on the multilingual text and dress it as an XLM-R tokenizer."""

import io
import math
from collections import Counter
from collections.abc import Sequence

import sentencepiece
from transformers import XLMRobertaTokenizer

# SentencePiece's unigram training split a third of this small lexicon's words; byte-pair merges keep them whole.
MODEL_TYPE = "bpe"
VOCABULARY = 1_200
_NUM_OWN_SPECIALS = 3  # <unk> <s> </s>, which XLM-R has in another order


def train_pieces(lines: Sequence[str]) -> sentencepiece.SentencePieceProcessor:
    """Return SentencePiece's model of the lines; every character is covered, nothing is normalised."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type=MODEL_TYPE,
        vocab_size=VOCABULARY,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def make_tokenizer(lines: Sequence[str]) -> XLMRobertaTokenizer:
    """Return an XLM-R tokenizer with the pieces at XLM-R's places: <s> <pad> </s> <unk> ... <mask>.

    XLM-R's tokenizer picks the likeliest cut, so each piece gets its frequency in the text (a rare one a tenth of one).
    """
    model = train_pieces(lines)
    counts = Counter(piece for ids in model.encode(lines) for piece in ids)
    total = counts.total()
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [
        (model.id_to_piece(i), math.log((counts[i] or 0.1) / total))
        for i in range(_NUM_OWN_SPECIALS, model.get_piece_size())
    ]
    return XLMRobertaTokenizer(vocab=[*special, *pieces, ("<mask>", 0.0)], model_max_length=256)
