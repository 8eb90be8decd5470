// Where the peer is: a Python with PyTorch, transformers, TRL and PEFT, and the scripts a user of those would have written.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const bench = join(root, 'bench')
const scripts = join(resolve(root, process.env.PLUMBLINE_SHARED ?? '../shared'), 'bench', 'peers')
const ownScripts = join(bench, 'peers')

export const PEER_INSTALL = `The peer needs Python with PyTorch, transformers, TRL and PEFT:

  python3 -m venv bench/.venv
  bench/.venv/bin/pip install torch==2.13.0 transformers==5.17.0 trl==1.13.0 peft==0.21.0 accelerate datasets

or name a Python that has them: PLUMBLINE_PEER_PYTHON=/path/to/python npm run bench
(--index-url https://download.pytorch.org/whl/cpu for torch saves a few gigabytes where the CPU build is enough).`

/** The peer's Python and scripts, or what is missing, in words. */
export function findPeer() {
  const python = process.env.PLUMBLINE_PEER_PYTHON ?? join(bench, '.venv', 'bin', 'python')
  const missing = []
  if (!existsSync(join(scripts, 'make_workload.py'))) {
    missing.push(`The peer's scripts and workloads are not at ${scripts}; set PLUMBLINE_SHARED to the folder that holds bench/peers.`)
  }
  const probe = spawnSync(
    python,
    ['-c', 'import torch, transformers, trl, peft; print(torch.__version__, transformers.__version__, trl.__version__, peft.__version__)'],
    {
      encoding: 'utf8',
      env: peerEnvironment(),
    },
  )
  if (probe.status !== 0) missing.push(PEER_INSTALL)
  const [torch, transformers, trl, peft] = probe.status === 0 ? probe.stdout.trim().split(' ') : []
  return { python, missing, versions: { torch, transformers, trl, peft } }
}

/** A script of the peer: of the shared folder, or of `bench/peers` what that has not. */
export function peerScript(name) {
  return [scripts, ownScripts].map((folder) => join(folder, name)).find(existsSync) ?? join(scripts, name)
}

/** Nothing is downloaded and nothing is reported while it runs. */
export function peerEnvironment() {
  const PYTHONPATH = [scripts, process.env.PYTHONPATH].filter(Boolean).join(delimiter)
  return {
    ...process.env,
    PYTHONPATH,
    HF_HUB_OFFLINE: '1',
    HF_DATASETS_OFFLINE: '1',
    TOKENIZERS_PARALLELISM: 'false',
    PYTHONUNBUFFERED: '1',
  }
}
