/**
 * Compares the public API of each entry of the package with its report in `api/`. A change there affects the
 * users of the package. With `--write`, updates the reports.
 */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  Extractor,
  ExtractorConfig,
  ExtractorLogLevel,
  type IConfigFile,
} from "@microsoft/api-extractor";

const root = join(import.meta.dirname, "../..");
const packageJson = join(root, "package.json");
const { exports } = JSON.parse(readFileSync(packageJson, "utf8")) as {
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
};
const isWriting = process.argv.includes("--write");

for (const [entry, target] of Object.entries(exports)) {
  if (typeof target === "string") continue;
  const name = entry === "." ? "curfew" : entry.slice(2).replaceAll("/", "-");
  if (report(name, target.types)) continue;
  process.stderr.write(`api/${name}.api.md is not the API of ${entry}. Run: npm run api\n`);
  process.exitCode = 1;
}

/** Whether the stored report is current. */
function report(name: string, types: string): boolean {
  const quiet = { default: { logLevel: ExtractorLogLevel.None } };
  const configObject: IConfigFile = {
    projectFolder: root,
    mainEntryPointFilePath: join(root, types),
    compiler: {
      overrideTsconfig: {
        compilerOptions: {
          target: "es2024",
          lib: ["esnext", "dom"],
          module: "nodenext",
          types: ["node"],
          strict: true,
          skipLibCheck: true,
        },
      },
    },
    apiReport: {
      enabled: true,
      includeForgottenExports: true,
      reportFileName: name,
      reportFolder: join(root, "api"),
      reportTempFolder: join(root, "node_modules/.api"),
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    newlineKind: "lf",
    messages: {
      compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
      extractorMessageReporting: quiet,
      tsdocMessageReporting: quiet,
    },
  };
  const config = ExtractorConfig.prepare({
    configObject,
    configObjectFullPath: undefined,
    packageJsonFullPath: packageJson,
  });
  const { apiReportChanged, errorCount } = Extractor.invoke(config, {
    localBuild: isWriting,
    messageCallback: (message) => {
      message.handled = message.logLevel !== ExtractorLogLevel.Error;
    },
  });
  if (errorCount > 0) throw new Error(`${basename(types)} could not be read`);
  return isWriting || !apiReportChanged;
}
