// Runs a job and follows it to its end, over grpc-web with generated clients; without a job it lists them.
//
//   npm ci && npm run build
//   NODE_EXTRA_CA_CERTS=ca.pem DATAGUARDIAN_SERVER=https://127.0.0.1:8443 DATAGUARDIAN_TOKEN=dg_… npm start -- nightly

import { createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { ExecutionService, ExecutionState } from "./gen/dataguardian/v1/execution_pb.js";
import { JobService } from "./gen/dataguardian/v1/job_pb.js";

function setting(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set`);
  }
  return value;
}

const token = setting("DATAGUARDIAN_TOKEN");
const bearer: Interceptor = (next) => (request) => {
  request.header.set("authorization", `Bearer ${token}`);
  return next(request);
};
const transport = createGrpcWebTransport({ baseUrl: setting("DATAGUARDIAN_SERVER"), interceptors: [bearer] });
const jobs = createClient(JobService, transport);
const executions = createClient(ExecutionService, transport);

async function list(): Promise<void> {
  for (const job of (await jobs.listJobs({ pageSize: 100 })).jobs) {
    console.log(`${job.name}: ${job.datasource} into ${job.storages.join(", ")}`);
  }
}

/** Whether the backup completed. */
async function runAndWatch(job: string): Promise<boolean> {
  let { execution } = await jobs.runJob({ job });
  for await (const change of executions.watchExecution({ id: execution?.id ?? "" })) {
    execution = change.execution;
    const progress = execution?.progress;
    const state = ExecutionState[execution?.state ?? ExecutionState.UNSPECIFIED].toLowerCase();
    console.log(`${state} ${progress?.stage ?? ""}: ${progress?.rawBytes ?? 0n} bytes, ${progress?.rows ?? 0n} rows`);
  }
  if (execution?.state === ExecutionState.COMPLETED) {
    console.log(`backup ${execution.backupId} is there`);
    return true;
  }
  const failure = execution?.failure;
  console.error(`${failure?.reason}: ${failure?.message} (${failure?.advice})`);
  return false;
}

const job = process.argv[2];
if (job === undefined) {
  await list();
} else {
  process.exitCode = (await runAndWatch(job)) ? 0 : 1;
}
