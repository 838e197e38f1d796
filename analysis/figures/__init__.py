"""Every figure of a study: a table function, a drawing function, and a record for menus.

`FIGURES` is what the report and the dashboard list. Tables are pure functions of frames and are
worth reading by themselves; a figure without data says in words why it is empty.
"""

from __future__ import annotations

from analysis.columns.roles import CHOICE
from analysis.courses.curves import learning_curves_figure, learning_curves_table
from analysis.courses.schedules import schedules_figure, schedules_table
from analysis.evidence.best_of_k import best_of_k_figure, best_of_k_table
from analysis.evidence.equal_footing import matched_figure, matched_table
from analysis.evidence.variance import variance_figure, variance_table
from analysis.figures.accuracy import (
    accuracy_by_budget_figure,
    accuracy_by_budget_table,
    accuracy_by_sparsity_figure,
    accuracy_by_sparsity_table,
    budget_split_figure,
    budget_split_table,
)
from analysis.figures.contour import contour_figure, contour_table
from analysis.figures.cost import cost_figure, cost_table
from analysis.figures.discount import discount_figure, discount_table
from analysis.figures.gains import gains_figure, gains_table
from analysis.figures.history import history_figure, history_table
from analysis.figures.importance import importance_figure, importance_table
from analysis.figures.latency import latency_figure, latency_table
from analysis.figures.layers import layers_figure, layers_table
from analysis.figures.parallel import parallel_figure, parallel_table
from analysis.figures.ranks import ranks_figure, ranks_table
from analysis.figures.record import Figure, source_frame
from analysis.figures.regret import regret_figure, regret_table
from analysis.figures.seeds import paired_seeds_figure, paired_seeds_table
from analysis.figures.slice import slice_figure, slice_table
from analysis.fronts.pareto import pareto_figure, pareto_table

__all__ = ["FIGURES", "Figure", "source_frame"]

_SPARSITY = "prune.sparsity"
_SCORED = (_SPARSITY, CHOICE)

FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(
            "schedules", "Learning-rate schedules",
            "How does each schedule set the learning rate after the dense run?",
            "schedules", "trials", ("retrain.schedule", "dense.epochs", "prune.cycles"), ("at",),
            schedules_table, schedules_figure,
        ),
        Figure(
            "accuracy_by_sparsity", "Results against sparsity",
            "How much does each schedule or method keep as more weights go?",
            "overview", "trials", _SCORED, ("metric", "view", "by", "at"),
            accuracy_by_sparsity_table, accuracy_by_sparsity_figure, spans=("sparsity",),
        ),
        Figure(
            "accuracy_by_budget", "Results against budget",
            "How much does each schedule or method win from more epochs, and where does it level"
            " off?",
            "overview", "trials", _SCORED, ("metric", "view", "by", "at"),
            accuracy_by_budget_table, accuracy_by_budget_figure, spans=("budget",),
        ),
        Figure(
            "gains", "Gain over each rival",
            "By how much does one schedule or method beat each rival, seed against seed?",
            "schedules", "trials", _SCORED, ("metric", "by", "of", "at"),
            gains_table, gains_figure, spans=("sparsity", "budget"),
        ),
        Figure(
            "paired_seeds", "Seed by seed",
            "Does the order hold in every seed?",
            "schedules", "trials", _SCORED, ("metric", "by", "at"),
            paired_seeds_table, paired_seeds_figure,
        ),
        Figure(
            "ranks", "Mean ranks and critical difference",
            "Which schedules or methods rank apart over all sparsities and budgets?",
            "schedules", "trials", _SCORED, ("metric", "by", "at"),
            ranks_table, ranks_figure, "choosing", CHOICE, ("sparsity", "budget"),
        ),
        Figure(
            "variance", "Where variance comes from",
            "How much of what differs from seed to seed is the dense run's, the retraining's and"
            " that of the images?",
            "schedules", "trials", _SCORED, ("metric", "at"),
            variance_table, variance_figure, spans=("sparsity", "budget"),
        ),
        Figure(
            "discount", "Results over the discount",
            "How do results change with ALLR's discount, and where does the adaptive one lie?",
            "discount", "trials", ("retrain.discount", *_SCORED), ("metric", "at"),
            discount_table, discount_figure, "all", CHOICE, ("sparsity",),
        ),
        Figure(
            "regret", "Regret of the adaptive discount",
            "How much does the adaptive discount lose to one tuned for its sparsity and budget?",
            "discount", "trials", ("retrain.discount", *_SCORED), ("metric", "at"),
            regret_table, regret_figure, spans=("sparsity", "budget"),
        ),
        Figure(
            "budget_split", "Split of the budget",
            "What share of a fixed budget should the dense run have, and in how many cycles"
            " should the rest be spent?",
            "discount", "trials", ("budget.dense_fraction", "prune.cycles", *_SCORED),
            ("metric", "at"), budget_split_table, budget_split_figure, "all", CHOICE,
        ),
        Figure(
            "pareto", "Pareto front",
            "Which configurations does no other beat in all objectives?",
            "pareto", "trials", (CHOICE,), ("y", "x", "level", "by"),
            pareto_table, pareto_figure, "choosing", CHOICE,
        ),
        Figure(
            "matched", "Compared on an equal footing",
            "Who is better where all are equally sparse, or equally fast?",
            "pareto", "trials", (_SPARSITY, CHOICE, "theoretical_speedup"),
            ("metric", "by", "along", "at"), matched_table, matched_figure, spans=("sparsity",),
        ),
        Figure(
            "cost", "Results against the cost of training",
            "What does each schedule or method reach for the training it takes?",
            "pareto", "trials", ("epochs", "dense_epochs", *_SCORED),
            ("metric", "cost", "by", "at"), cost_table, cost_figure, spans=("budget",),
        ),
        Figure(
            "latency", "Results against measured latency",
            "Which pruned network is faster where it runs, and which only on paper?",
            "pareto", "latency", ("latency_ms", CHOICE), ("metric", "setting", "by"),
            latency_table, latency_figure, "choosing", CHOICE,
        ),
        Figure(
            "learning_curves", "Learning curves",
            "How does the model learn in the dense run and recover in each cycle?",
            "schedules", "epochs", ("total_epoch", CHOICE), ("metric", "by", "at"),
            learning_curves_table, learning_curves_figure, "all", CHOICE,
        ),
        Figure(
            "layers", "Sparsity layer by layer",
            "From which layers does the prune take its weights, and do whole filters or blocks"
            " spread it otherwise?",
            "pareto", "layers", ("layer_sparsity", "prune.structure", _SPARSITY), ("by", "at"),
            layers_table, layers_figure, spans=("budget",), compares="prune.structure",
        ),
        Figure(
            "history", "Course of the search",
            "How fast did the search find good configurations?",
            "search", "trials", ("origin.number", CHOICE), ("metric",),
            history_table, history_figure, "choosing", CHOICE,
        ),
        Figure(
            "best_of_k", "Best of as many settings as one tries",
            "How much of a result is owed to how many settings were tried?",
            "search", "trials", _SCORED, ("metric", "by", "at"),
            best_of_k_table, best_of_k_figure,
        ),
        Figure(
            "importance", "Which settings matter",
            "Which settings explain the differences in the result, alone and together?",
            "search", "trials", (CHOICE,), ("metric", "evaluator", "at"),
            importance_table, importance_figure, "choosing", CHOICE, ("sparsity", "budget"),
        ),
        Figure(
            "slice", "One setting",
            "How does the result depend on a single setting?",
            "search", "trials", (CHOICE,), ("metric", "x", "at"),
            slice_table, slice_figure, "all", CHOICE, holds=True,
        ),
        Figure(
            "contour", "Two settings",
            "How does the result depend on two settings together?",
            "search", "trials", (CHOICE,), ("metric", "x", "y", "at"),
            contour_table, contour_figure, "all", CHOICE, holds=True,
        ),
        Figure(
            "parallel", "All configurations side by side",
            "Which combinations of settings lead to good results?",
            "search", "trials", (CHOICE,), ("metric",),
            parallel_table, parallel_figure, "all", CHOICE,
        ),
    )
}  # fmt: skip
"""All figures by name, in the order in which a report shows them."""
