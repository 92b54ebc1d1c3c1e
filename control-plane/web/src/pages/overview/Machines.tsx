// The control plane's machine and those of its agents: load now and lately, and the threads for heavy work.
import type { ReactElement } from 'react';
import { Link } from 'wouter';

import type { NodePerformance } from '../../api/gen/dataguardian/v1/performance_pb';
import { Panel } from '../../components/Page';
import { Spark } from '../../components/Spark';
import { bytes, count } from '../../format/size';
import { span } from '../../format/time';
import './overview.css';

export function Machines({ nodes }: { nodes: readonly NodePerformance[] }): ReactElement {
  return (
    <Panel flush title="Machines">
      <div className="nodes">
        {nodes.map((node) => (
          <Node key={`${node.replicaId}/${node.agent}`} node={node} />
        ))}
      </div>
    </Panel>
  );
}

export function Node({ node }: { node: NodePerformance }): ReactElement {
  const { current, machine, threadPool } = node;
  const name = node.agent || 'Control plane';
  return (
    <section className="node" aria-label={name}>
      <h3>{node.agent ? <Link href={`/agents/${node.agent}`}>{node.agent}</Link> : name}</h3>
      <p className="dim small">
        {machine ? `${machine.hostname} · ${count(machine.cpus)} CPUs · ${machine.operatingSystem}` : ''}
      </p>
      {current ? (
        <>
          <div className="gauges small">
            <div>
              <div className="gauge">
                <span className="dim">CPU</span>
                <span>{Math.round(current.cpuPercent)} %</span>
              </div>
              <Spark
                values={node.history.map((sample) => sample.cpuPercent)}
                top={100}
                label={`Use of CPUs of ${name} lately`}
              />
            </div>
            <div>
              <div className="gauge">
                <span className="dim">Memory</span>
                <span>
                  {bytes(current.memoryUsed)} of {bytes(current.memoryTotal)}
                </span>
              </div>
              <Spark
                values={node.history.map((sample) => Number(sample.memoryUsed))}
                top={Number(current.memoryTotal)}
                label={`Memory in use on ${name} lately`}
              />
            </div>
          </div>
          <p className="dim small">
            Load{' '}
            {current.load
              ? [current.load.one, current.load.five, current.load.fifteen]
                  .map((each) => each.toFixed(2))
                  .join(', ')
              : '–'}{' '}
            · process {Math.round(current.process?.cpuPercent ?? 0)} % CPU,{' '}
            {bytes(current.process?.memory ?? 0n)} · lag {span(Number(current.runtimeLagMicroseconds) / 1000)}
          </p>
        </>
      ) : (
        <p className="dim small">No figures yet.</p>
      )}
      {threadPool && (
        <p className="dim small">
          Threads for heavy work: {threadPool.busy} of {threadPool.size} busy, {count(threadPool.queued)}{' '}
          queued, {count(threadPool.processed)} done
          {threadPool.failed > 0n && `, ${count(threadPool.failed)} run again`}
        </p>
      )}
      {node.disks.map((disk) => (
        <p key={disk.path} className="dim small">
          <span className="mono">{disk.path}</span>: {bytes(disk.available)} free of {bytes(disk.total)}
        </p>
      ))}
    </section>
  );
}
