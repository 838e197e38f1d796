"""Settings that every test shares; read by Ray and by torch when they start, so set at import."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side
os.environ["RAY_AUTH_MODE"] = "disabled"  # else a new local cluster writes a token into the home
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
