"""The core, in Rust: what a generation does, and the values that it works on."""

from typing import Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

__version__: str
ACTIVATIONS: list[str]
EVENTS: list[str]
HYPERPARAMETERS: list[str]
INSTRUCTIONS: str
OPTIMIZERS: list[str]
CLASSIFICATION_METRICS: list[str]
REGRESSION_METRICS: list[str]

__all__ = [
    "ACTIVATIONS",
    "CLASSIFICATION_METRICS",
    "EVENTS",
    "HYPERPARAMETERS",
    "INSTRUCTIONS",
    "OPTIMIZERS",
    "REGRESSION_METRICS",
    "Domain",
    "Evolution",
    "Network",
    "Snapshot",
    "Table",
    "__version__",
    "column_statistics",
    "default_threads",
    "evaluate",
    "peak",
    "permutation",
    "probabilities",
    "read_header",
]

_Floats: TypeAlias = npt.NDArray[np.float32]
_Rows: TypeAlias = npt.NDArray[np.uint32]
_Action: TypeAlias = tuple[Literal["keep", "copy", "fresh"], int | None]

@final
class Domain:
    """The values that one hyperparameter can take."""

    @staticmethod
    def fixed(value: float) -> Domain: ...
    @staticmethod
    def choices(values: list[float], ordered: bool) -> Domain: ...
    @staticmethod
    def range(
        start: tuple[float, float], bounds: tuple[float, float], scale: str, integer: bool
    ) -> Domain: ...

@final
class Network:
    """A network: topology, activations, parameters, mask."""

    def __new__(
        cls,
        topology: list[int],
        activations: list[str],
        parameters: _Floats,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> Network: ...
    @property
    def topology(self) -> list[int]: ...
    @property
    def activations(self) -> list[str]: ...
    @property
    def parameters(self) -> _Floats: ...
    @property
    def mask(self) -> npt.NDArray[np.bool_]: ...
    @property
    def size(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...
    def layers(self) -> list[tuple[_Floats, _Floats]]:
        """Weights `(inputs, outputs)` and biases `(outputs,)` of each layer."""
    def outputs(self, inputs: _Floats) -> _Floats:
        """Return outputs `(rows, n_outputs)` for inputs `(rows, n_inputs)`."""
    def to_file(self, header: str) -> bytes: ...
    @staticmethod
    def from_file(data: bytes, activations: list[str]) -> Network: ...

@final
class Snapshot:
    """A network as it was when it scored."""

    @property
    def network(self) -> Network: ...
    @property
    def validation_score(self) -> float | None: ...
    @property
    def validation_loss(self) -> float | None: ...
    @property
    def log_fitness(self) -> float: ...
    @property
    def fitness(self) -> float: ...
    @property
    def generation(self) -> int: ...
    @property
    def member(self) -> int: ...
    @property
    def hyperparameters(self) -> dict[str, float | int | str | None]: ...

@final
class Table:
    """The encoded table, written a few columns at a time; a run takes it over."""

    def __new__(cls, rows: int, columns: int) -> Table: ...
    def write(self, row: int, column: int, block: _Floats) -> None: ...

@final
class Evolution:
    """A run and its state: the four functions of a generation, and what they leave behind."""

    def __new__(
        cls,
        inputs: Table,
        targets: _Floats,
        *,
        task: str,
        output: str,
        loss: str,
        decay_biases: bool,
        target_scale: list[float],
        sample_weight: list[float] | None,
        train: _Rows,
        validation: _Rows,
        seed: int,
        k: int,
        space: dict[str, Domain],
        activations: list[str],
        metric: str,
        anchors: tuple[float, float] | None,
        score_base: float,
        size_base: float,
        n_jobs: int,
    ) -> Evolution: ...
    def train(self, epochs: int, deadline: float | None = None) -> bool:
        """Train every member; False if the deadline came first and nothing was changed."""
    def score(self, custom: list[float] | None = None) -> None:
        """Score every member and record the generation."""
    def validation_outputs(self) -> list[_Floats]: ...
    def plan(self) -> list[_Action]: ...
    def apply(self, plan: list[_Action]) -> None: ...
    @property
    def generation(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def improved(self) -> int: ...
    def best(self) -> Snapshot | None: ...
    def most_accurate(self) -> Snapshot | None: ...
    def one_se(self) -> Snapshot | None: ...
    def front(self) -> list[Snapshot]: ...
    def history(self, first: int) -> dict[str, npt.NDArray[np.generic]]: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def n_parameters(self) -> int:
        """Weights and biases of all members, the pruned ones included."""
    def padding(self) -> tuple[int, int]:
        """Weights and biases of the population, and with what pads out lanes."""
    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, inputs and outputs of the table."""
    @property
    def output(self) -> str:
        """Activation of the output layer."""
    @property
    def metric(self) -> str:
        """Name of the metric; "custom" for one of the user's own."""
    def rows(self, rows: _Rows) -> tuple[_Floats, _Floats]:
        """Return inputs and targets of some rows."""
    def train_rows(self) -> _Rows: ...
    def validation_rows(self) -> _Rows: ...
    def run_to_bytes(self) -> bytes: ...
    def state_to_bytes(self) -> bytes: ...
    def history_to_bytes(self, first: int) -> bytes: ...
    @staticmethod
    def from_parts(run: bytes, state: bytes, history: list[bytes], n_jobs: int) -> Evolution: ...

def read_header(data: bytes) -> str: ...
def column_statistics(values: npt.NDArray[np.float64], rows: _Rows) -> tuple[float, float]: ...
def permutation(seed: int, n: int) -> _Rows: ...
def probabilities(output: str, outputs: _Floats) -> _Floats: ...
def evaluate(
    outputs: _Floats,
    targets: _Floats,
    *,
    task: str,
    output: str,
    target_scale: list[float],
    sample_weight: list[float] | None,
    metric: str,
) -> tuple[float, float]: ...
def peak(n_jobs: int, seconds: float) -> float: ...
def default_threads() -> int: ...
