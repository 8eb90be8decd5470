// jest's runtime with a memory: each test file is a context of its own that loads some 400 modules anew, jest's included, and reading
// and compiling them again was most of a small test file's time. A compiled script runs in any number of contexts, as modules of their
// own, so each of jest's processes keeps what it has compiled.
const { Script } = require('node:vm')
const { default: Runtime } = require('jest-runtime')

/** What is compiled, by file: its text and the script. A text that has changed is compiled again. */
const compiled = new Map()
/** The texts of jest's own modules, by file. */
const ownTexts = new Map()
/** What runs the modules of the test file that runs now: `import()` is for it, whichever test file compiled the script. */
let current

class RememberingRuntime extends Runtime {
  constructor(...of) {
    super(...of)
    const { executor, transformCache } = this
    if (typeof executor?.compile !== 'function' || typeof transformCache?.transform !== 'function')
      throw new Error('scripts/jest-runtime.cjs does not know this version of jest: adapt it, or take it out of jest.config.cjs.')
    current = executor
    runCompiled(executor)
    askOnceForGlobals(executor)
    readOnce(transformCache)
  }
}

function runCompiled(executor) {
  const compileAnew = executor.compile.bind(executor)
  executor.compile = (text, file) => {
    const context = executor.environment.getVmContext()
    if (context === null || executor.resolution.isCoreModule(file)) return compileAnew(text, file)
    let known = compiled.get(file)
    if (known?.text !== text) {
      const script = compile(text, file, executor.injectedModuleParameters)
      // What cannot be compiled is jest's to tell.
      if (script === undefined) return compileAnew(text, file)
      known = { text, script }
      compiled.set(file, known)
    }
    return known.script.runInContext(context)
  }
}

/** Nothing here may hold on to a test file's runtime, which would stay for as long as the script. */
function compile(text, file, parameters) {
  const head = `(function (${parameters.join(', ')}) {`
  try {
    return new Script(`${head}${text}\n})`, {
      filename: file,
      columnOffset: -head.length,
      importModuleDynamically: (specifier, _script, attributes, ...rest) =>
        current.dynamicImport(specifier, file, current.environment.getVmContext(), attributes, rest[0]),
    })
  } catch {
    return undefined
  }
}

/** The globals that each module is handed as arguments are asked for once in a test file: a question is slow, and there were 27 for each. */
function askOnceForGlobals(executor) {
  const { environment } = executor
  let globals
  executor.environment = {
    get global() {
      globals ??= Object.fromEntries(executor.config.sandboxInjectedGlobals.map((name) => [name, environment.global?.[name]]))
      return environment.global ? globals : environment.global
    },
    getVmContext: () => environment.getVmContext(),
  }
}

/** A file that is transformed already, and has the same date, is not read again. */
function readOnce(cache) {
  const transform = cache.transform.bind(cache)
  cache.transform = (file, options) => {
    if (options?.isInternalModule) {
      if (!ownTexts.has(file)) ownTexts.set(file, transform(file, options))
      return ownTexts.get(file)
    }
    const transformed = cache.scriptTransformer.transform(file, cache.getFullTransformationOptions(options))
    cache.transforms.set(file, transformed)
    if (transformed.sourceMapPath) cache.sourceMaps.set(file, transformed.sourceMapPath)
    return transformed.code
  }
}

module.exports = { default: RememberingRuntime, __esModule: true }
