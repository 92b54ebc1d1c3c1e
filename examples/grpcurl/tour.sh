#!/usr/bin/env bash
# The API with grpcurl and no proto file: the server describes itself (gRPC reflection).
#
#   DATAGUARDIAN_SERVER=https://127.0.0.1:8443 DATAGUARDIAN_CA=ca.pem DATAGUARDIAN_TOKEN=dg_… examples/grpcurl/tour.sh
set -euo pipefail

: "${DATAGUARDIAN_SERVER:?set it, as for dgctl}" "${DATAGUARDIAN_CA:?set it, as for dgctl}" "${DATAGUARDIAN_TOKEN:?set it, as for dgctl}"
readonly ADDRESS=${DATAGUARDIAN_SERVER#https://}

# The token goes through the environment, not through the arguments, which every user of this machine could read.
ask() {
    echo "──── $*"
    grpcurl -cacert "$DATAGUARDIAN_CA" -expand-headers -H 'authorization: Bearer ${DATAGUARDIAN_TOKEN}' "$@"
}

ask "$ADDRESS" list
ask "$ADDRESS" describe dataguardian.v1.JobService
ask "$ADDRESS" grpc.health.v1.Health/Check
ask "$ADDRESS" dataguardian.v1.AuthService/WhoAmI
ask -d '{"page_size": 10}' "$ADDRESS" dataguardian.v1.JobService/ListJobs
ask -d '{"page_size": 3}' "$ADDRESS" dataguardian.v1.BackupService/ListBackups
