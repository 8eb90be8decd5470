// One file, for what it takes longest is loading torch and transformers: all suites but the last two share one Python process.
import './suites/conformance'
import './suites/families'
import './suites/lora'
import './suites/parity'
import './suites/process'
import './suites/ranks'
import './suites/killed'
