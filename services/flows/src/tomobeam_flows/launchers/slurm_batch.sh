#!/bin/sh
# The batch script of every Slurm job, run on a node as: FOLDER GRACE MARK COMMAND...
#
# Nothing of a job is ever pasted into this text: its argument list arrives as "$@", which no
# shell parses. The exit code is written into the folder, since Slurm forgets a job soon after
# its end. Every process of the job has MARK (NAME=value) in its environment: trackers of
# Slurm other than cgroups lose what has left the job's process tree.
folder=$1 grace=$2 mark=$3
shift 3
cd "$folder/work" || exit

signal_job() {
    for entry in $(env -i grep -lsxzF "$mark" /proc/[0-9]*/environ); do
        process=${entry#/proc/}
        process=${process%/environ}
        [ "$process" = $$ ] || kill -"$1" "$process" 2>/dev/null
    done
}

asked_to_end=
trap 'asked_to_end=1' TERM
"$@" &
job=$!
wait "$job"
code=$?
if [ "$asked_to_end" ]; then
    # The site's KillWait may be far longer than our grace.
    trap '' TERM
    code=143
    signal_job TERM
    (sleep "$grace" && kill -KILL "$job") &
    wait "$job"
fi
signal_job KILL
echo "$code" >"$folder/exit"
exit "$code"
