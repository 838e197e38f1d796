"""One sentence for each key of the study file. `make_tables.py` refuses a key without one."""

from trainables.config.optimisers import OPTIMISERS
from trainables.config.prune import CRITERIA
from trainables.formulas.schedules import RETRAIN_SCHEDULES

MEANINGS = {
    "name": "Name of the study; the study folder is `results/<name>` unless `--out` says otherwise",
    "spaces": "Overlays on the top level; the study is the union of the spaces that they make",
    "seeds": "Seeds of the initial weights, the data orders and the augmentation; each"
    " configuration runs once with each",
    "stage_store": "Where stages are kept, to share them between studies; a path or an object"
    " store's URI. `stages/` in the study folder unless given",
    "task.dataset": "Data set, by name or with parameters (see Data sets)",
    "task.dataset.path": "Folder of class folders, below `data.root` unless absolute; moving it"
    " makes no trial new",
    "task.dataset.size": "Side of the square that a network gets, in pixels",
    "task.dataset.crop": "Share of the resized image's side that an evaluation's centre crop keeps",
    "task.dataset.augment": "Whether training images are cropped at random",
    "task.dataset.area": "Smallest share of an image's area that such a crop keeps",
    "task.dataset.flip": "Whether half of them are mirrored",
    "task.dataset.normalise": "`standard`: by `mean` and `std` or, without them, those of up to"
    " 1,024 training images; `unit`: to [0, 1] alone; `imagenet`: by ImageNet's constants",
    "task.dataset.mean": "Mean of red, green and blue, black being 0 and white 1",
    "task.dataset.std": "Standard deviations of these",
    "task.dataset.val": "Share held out for validation, a tenth unless the folder has `val`",
    "task.dataset.test": "Share held out for testing; no test part without it or a folder `test`",
    "task.dataset.split.kind": "Whether shares are held out class by class or at random",
    "task.dataset.split.seed": "Seed of the one draw of these shares",
    "task.dataset.n_train": "A fixed stratified subset to train on",
    "task.dataset.n_val": "A fixed stratified subset to validate on",
    "task.dataset.broken": "What becomes of files that cannot be decoded, counted and named either"
    " way: the run is refused, or they are left out",
    "task.model": "Model, by name or with parameters (see Models)",
    "task.use": "A whole task in place of data set and model, by name (see Tasks) or your own; its"
    " keywords stand beside it",
    "task.files": "Patterns of files that your code reads, relative to the study file; hashed",
    "task.version": "What is hashed in place of your code's content",
    "method": "Pruning method, by name or with parameters (see Methods)",
    "dense.epochs": "Length T of the dense run. Given under imp, absent under other methods, where"
    " `budget` gives it",
    "dense.batch_size": "Images per step, in the dense run and in retraining",
    "dense.lr": "Peak learning rate of the dense run",
    "dense.schedule": "Schedule of the dense run (see Dense schedules)",
    "dense.milestones": "Epochs at which the learning rate drops",
    "dense.gamma": "Factor of each drop",
    "dense.every": "Epochs between two drops",
    "dense.lr_end": "Rate that the decay would reach one step after the run's last; below"
    " `dense.lr`",
    "dense.warmup_epochs": "Epochs of linear warm-up at the start, part of the run",
    "dense.optimiser": "Optimiser of all training (see Optimisers); `dense.lr` must then be given"
    " where it is not SGD",
    "dense.momentum": "Momentum of SGD, in the dense run and in retraining",
    "dense.weight_decay": "Weight decay, on all parameters that are trained: SGD adds it to the"
    " gradient, AdamW shrinks the weights by it",
    "dense.nesterov": "Nesterov momentum; unless given, on where momentum and weight decay are",
    "dense.beta1": "AdamW's decay of the mean gradient",
    "dense.beta2": "AdamW's decay of the mean squared gradient",
    "dense.eps": "What AdamW adds to the root of the mean squared gradient",
    "dense.options": "Keywords of your own optimiser; hashed, and may hold domains",
    "dense.groups": "Parameters with a rate and a decay of their own, by patterns over names of"
    " parameters or layers, or module types; of several that fit the first counts",
    "prune.sparsity": "Share of the prunable weights that are zero at the end; may be left out"
    " beside `prune.pattern`, which gives it",
    "prune.cycles": "Prune-and-retrain cycles k; 1 is one shot",
    "prune.structure": "What is removed as a whole: single weights, filters with all that belongs"
    " to them, blocks, rows or columns of a layer's matrix, heads of attention, or hidden units of"
    " feed-forward blocks (see method.md)",
    "prune.pattern": "Of every m inputs in a row n stay, in every layer alike (2:4); single weights"
    " alone",
    "prune.block": "Rows (outputs) and columns (inputs x kernel) of a block; must be given there",
    "prune.scope": "Whether the whole model shares one threshold or each layer gets the same share",
    "prune.criterion": "What is removed first: the smallest magnitudes, or a random draw (a"
    " baseline)",
    "prune.exclude": "Prunable weights that stay dense, under every method: `first`, `last`,"
    " patterns over names of weights or layers, or module types. The sparsity is of the others",
    "prune.keep_layer_min": "Weights that every layer keeps; below 1 a share of the layer",
    "prune.filter_norm": "Norm by which whole units are ranked: filters, blocks, rows, columns,"
    " heads and hidden units",
    "prune.bn_reestimate": "Whether the statistics of BatchNorm are estimated anew after each"
    " prune, by one pass over the training images",
    "retrain.schedule": "Schedule of each retraining cycle (see Retraining schedules)",
    "retrain.epochs": "Epochs of retraining in all cycles together; this or `retrain.budget`, and"
    " neither under bimp",
    "retrain.budget": "The same as a share of `dense.epochs`",
    "retrain.discount": "ALLR's d, the share of the dense run's peak rate at which it starts;"
    " `d1` and `d2` take one of the two bounds alone",
    "retrain.norm": "Parameters that the norm drop in d1 is measured over: all that is trained, the"
    " prunable weights, or those of them that the structure ranks. Unless given `ranked` under"
    " filters, heads and hidden, else `all` (see method.md)",
    "retrain.init": "Peak learning rate of the tunable schedules; must be given there",
    "retrain.warmup": "Share of the cycle that the tunable schedules warm up for",
    "retrain.seeds": "Retrainings of each dense network, told apart by the seed of the draws of all"
    " cycles; one list for all spaces. Under one file of `dense.weights`, `seeds` are such already",
    "budget.epochs": "Epochs in all: dense run and retraining of bimp, the one run of a method"
    " from scratch. Absent under imp",
    "budget.dense_fraction": "Share of the budget that the dense run gets, T0 / T",
    "compute.precision": "Arithmetic of forward and backward; weights stay in fp32. Under fp32 an"
    " NVIDIA GPU may still run convolutions in TF32, as is PyTorch's default",
    "compute.channels_last": "Memory layout of images and convolutions",
    "dense.clip_norm": "Norm to which the gradient of all that is trained is clipped, after it was"
    " masked",
    "dense.label_smoothing": "Share of each label that training spreads over all classes; what is"
    " measured is never smoothed. For tasks whose loss has `smoothing`",
    "dense.freeze": "Parameters that are never trained, decayed or pruned, by patterns over names"
    " of parameters or layers, or module types; frozen BatchNorm keeps its statistics",
    "dense.weights": "Trained network in place of the dense run, hashed by content: a safetensors"
    " or torch file, torchvision weights (`torchvision/ResNet50_Weights.DEFAULT`) in torch's hub"
    " cache, or what your own task gives (`task:NAME`). One for all seeds, or a list with that of"
    " seed k at place k (see checkpoints.md)",
    "dense.start": "Weights that the dense run starts from, named as under `dense.weights`",
    "dense.leave_out": "Tensors that `dense.start` does not give, such as a new head, by patterns"
    " over their names; they are initialised afresh",
    "compute.micro_batch": "Examples per forward and backward, where `dense.batch_size` does not"
    " fit in memory: gradients are summed over the parts of each step. BatchNorm sees the parts",
    "compute.processes": "Processes that train a trial together, each on its share of every batch"
    " (see several-gpus.md); as many as `resources.gpus` where that is above 1",
    "compute.batch_norm": "Whether BatchNorm normalises each process's share of a batch, or by the"
    " mean and variance of the whole batch: two sums over the processes for every layer",
    "quantise.weights": "int8 rounds the weights by torchao once the network is pruned and"
    " retrained, as a stage of its own: `int8_val_...` and `int8_test_...` are then recorded beside"
    " the trial's own numbers, which stay. Needs the extra `int8`",
    "compute.compile": "Whether the model runs through `torch.compile`",
    "search.strategy": "All cells of the grids, or Optuna's search inside each cell",
    "search.trials": "Configurations of each block, those of `search.enqueue` included. Given under"
    " optuna, absent under grid",
    "search.objectives": "Metrics of a trial to maximise or minimise (see reading-results.md);"
    " never on test data. Several give a front. Given under optuna, absent under grid",
    "search.constraints": "Bounds that a configuration must keep at every seed; those beyond are"
    " chosen only where a block has no other. A limit is a number, or the dotted key of one in the"
    " trial's configuration. Absent under grid",
    "search.confirm": "Search at the first of `seeds` alone, then run so many of each block's best"
    " configurations at the others. Needs one objective; absent under grid",
    "search.sampler": "Tree-structured Parzen estimator, or uniform random",
    "search.seed": "Seed of the sampler",
    "search.enqueue": "Points that each block tries before it samples, as dotted keys with values,"
    " which may lie outside the domains. Absent under grid",
    "search.measure_on": "Node that measures `latency_ms` and `network_bytes`: the id, host name or"
    " address of one node of the cluster, or a resource that it alone offers; the driver's own"
    " unless given. It must reach the study folder and the data",
    "resources.cpus": "Cores of each process of a trial, and its torch threads",
    "resources.gpus": "GPUs of a trial: 0, 1, a share 1/n, with n trials on one GPU, or several of"
    " one machine, each with a process of its own (see several-gpus.md)",
    "resources.max_concurrent": "Most trials at once; as many as fit unless given (64 may wait on a"
    " cluster, which may grow)",
    "resources.retries": "How often a trial whose process was lost is started again within a run"
    " without getting on between",
    "resources.store_patience": "Seconds that a folder or store which cannot be written is waited"
    " for before the run ends",
    "resources.checkpoint_s": "Least seconds between two saved states of an unfinished stage",
    "data.root": "Folder that data sets are read from",
    "data.download": "Whether a missing data set is downloaded, before anything starts",
    "data.memory": "Whether decoded items of data that are read from files are kept in memory;"
    " `auto`: where they take at most half of the memory that is free for a trial; `on` is refused"
    " for items without `decode`. No result depends on it",
    "data.processes": "Processes that make items beside each trial: none where items are kept in"
    " memory, else one per core of the trial, at most four, unless given. No result depends on it",
    "track.mlflow": "Tracking URI, or a folder: an experiment per study, a run per trial"
    " (`pip install 'bimp-study[mlflow]'`); passwords come from MLflow's environment variables",
    "track.wandb": "Project of Weights & Biases (`pip install 'bimp-study[wandb]'`);"
    " `WANDB_MODE=offline` writes runs to be synced later",
    "track.tensorboard": "Folder of event files, `FOLDER/<study>/<trial>`"
    " (`pip install 'bimp-study[tensorboard]'`)",
}

RANGES = {
    "name": "letters, digits, `.`, `_`, `-`; at most 80",
    "task.dataset": "a name, `module:attribute`, or `{name: ..., key: value}`",
    "task.model": "a name, `module:attribute`, or `{name: ..., key: value}`",
    "task.use": "a name, or `module:attribute`",
    "prune.criterion": ", ".join(f"`{name}`" for name in CRITERIA) + ", or `module:attribute`",
    "prune.pattern": "`{n: 2, m: 4}`, 1 <= n < m <= 1,024",
    "prune.block": "`{rows: 4, columns: 4}`, each at most 1,024",
    "dense.optimiser": ", ".join(f"`{name}`" for name in OPTIMISERS) + ", or `module:attribute`",
    "dense.options": "a mapping of keywords",
    "dense.groups": "a list of `{match: [patterns], weight_decay: number, lr_scale: number}`",
    "dense.freeze": "a list of patterns",
    "dense.weights": "a name, or a list of names",
    "dense.leave_out": "a list of patterns",
    "retrain.schedule": ", ".join(f"`{name}`" for name in RETRAIN_SCHEDULES)
    + ", or `module:attribute`",
    "method": "a name, or `{name: ..., key: value}`",
    "retrain.discount": "`adaptive`, `d1`, `d2`, or a number > 0, <= 1",
    "dense.milestones": "a list of numbers > 0, strictly increasing",
    "seeds": "a list of at least 1 whole number >= 0, none twice",
    "spaces": "a list of mappings of the sections with domains",
    "search.objectives": "a mapping of metrics to `max` or `min`",
    "search.constraints": "a mapping of metrics to `{min: limit}` or `{max: limit}` or both",
    "search.enqueue": "a list of mappings of dotted keys to values",
    "resources.gpus": "0, 1/n, or a whole number",
    "data.root": "a local path",
    "stage_store": "a path or URI",
    "track.mlflow": "a URI or a path",
    "track.wandb": "a name",
    "track.tensorboard": "a local path",
}
"""Ranges that a type alone does not tell."""
