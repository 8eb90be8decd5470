// One file, for what it takes longest is loading torch and transformers: all suites but the last two share one Python process. `--quick` of scripts/torch-tests.mjs leaves some of them out.
import './suites/conformance'
import './suites/families'
import './suites/lora'
import './suites/parity'
import './suites/process'
import './suites/ranks'
import './suites/killed'
