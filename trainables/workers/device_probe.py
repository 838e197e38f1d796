"""`python -m trainables.workers.device_probe GPUS`: the devices that torch sees, as a line of JSON.

`GPUS` is a trial's share of a GPU; above 0 it is a fault that there is none.
"""

from __future__ import annotations

import json
import sys

from trainables.jobs.job_report import NodeFault
from trainables.workers.entry import require_device


def main(gpus: float) -> None:
    """Print the devices with their memory in bytes, and in a sentence what is wrong."""
    devices, fault = [], ""
    try:
        require_device(gpus)
        import torch

        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            name = torch.cuda.get_device_name(number)
            devices.append({"name": name, "free": free, "total": total})
    except (NodeFault, ImportError, RuntimeError) as error:
        fault = str(error)
    print(json.dumps({"devices": devices, "fault": fault}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
