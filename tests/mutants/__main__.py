"""`python -m tests.mutants` is `python -m tests.mutants.run`."""

import sys

from .run import main

sys.exit(main())
