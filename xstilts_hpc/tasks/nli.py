"""What the NLI data sets share: their labels, in the order of XTREME and of the study's code."""

NLI_LABELS = ("contradiction", "entailment", "neutral")
