#include "decant/cluster/sbatch.h"

#include <algorithm>
#include <string_view>

#include "decant/base/error.h"

namespace decant {
namespace {

bool IsOneOf(char c, std::string_view others) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || others.find(c) != others.npos;
}

bool ConsistsOf(const std::string& text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return IsOneOf(c, others); });
}

// Slurm's own values stand in the script as they are: nothing in them may mean something else.
void RequireWord(const char* option, const std::string& text) {
  if (ConsistsOf(text, ".,:_-+")) return;
  Fail(ErrorCode::kInvalidArgument, "{} is '{}', which sbatch does not know", option, text);
}

void RequireLine(const char* option, const std::string& text) {
  if (!text.empty() && std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 32 && c != '\t'; }))
    return;
  Fail(ErrorCode::kInvalidArgument, "{} is '{}', but must be one line", option, text);
}

void Validate(const SbatchOptions& options) {
  RequireWord("--nodes", options.nodes);
  RequireWord("--time", options.time);
  RequireWord("--gpus-per-node", options.gpus_per_node);
  RequireWord("the job's name", options.name);
  RequireLine("the store", options.store);
  RequireLine("the job file", options.job_file);
  for (const std::string& text : options.overrides) RequireLine("a key of the job", text);
  for (const std::string& text : options.produce) RequireLine("--produce", text);
  for (const std::string& line : options.setup) RequireLine("--setup", line);
  for (const std::string& line : options.sbatch) {
    RequireLine("--sbatch", line);
    if (!line.starts_with("-")) {
      Fail(ErrorCode::kInvalidArgument, "--sbatch is '{}', but must be an option of sbatch, such as --account=abc",
           line);
    }
  }
}

std::string Directive(std::string_view text) {
  return fmt::format("#SBATCH {}\n", text);
}

std::string Directives(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += Directive(line);
  return text;
}

std::string Lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text.empty() ? text : text + "\n";
}

std::string Resources(const SbatchOptions& options) {
  std::string text = Directive("--nodes=" + options.nodes);
  text += Directive(fmt::format("--ntasks-per-node={}", options.tasks_per_node));
  if (options.cpus_per_task > 0) text += Directive(fmt::format("--cpus-per-task={}", options.cpus_per_task));
  if (!options.gpus_per_node.empty()) text += Directive("--gpus-per-node=" + options.gpus_per_node);
  if (!options.time.empty()) text += Directive("--time=" + options.time);
  return text;
}

std::string Header(const SbatchOptions& options) {
  std::string text = Directive("--job-name=" + options.name) + Resources(options);
  if (options.num_parts > 0) {
    const std::string throttle = options.parts_at_once > 0 ? fmt::format("%{}", options.parts_at_once) : "";
    text += Directive(fmt::format("--array=0-{}{}", options.num_parts - 1, throttle));
  }
  text += Directive(fmt::format("--output={}-{}.out", options.name, options.num_parts > 0 ? "%A_%a" : "%j"));
  text += Directives(
      {"--open-mode=append", "--requeue", "--no-kill", fmt::format("--signal=B:USR1@{}", options.signal_seconds)});
  return text + Directives(options.sbatch);
}

// The ranks' command, with the shell's variables of the script.
std::string ProduceCommand(const SbatchOptions& options) {
  std::string text = ShellQuote(options.program) + " produce " + ShellQuote(options.job_file);
  if (options.num_parts > 0) text += fmt::format(" --partition \"$SLURM_ARRAY_TASK_ID/{}\"", options.num_parts);
  for (const auto* words : {&options.produce, &options.overrides}) {
    for (const std::string& word : *words) text += fmt::format(" {}", ShellQuote(word));
  }
  return text;
}

std::string LaunchCommand(const SbatchOptions& options) {
  if (options.launcher == SbatchOptions::Launcher::kMpirun) {
    return "mpirun --bind-to none --enable-recovery --mca oob_tcp_keepalive_time 10 \\\n"
           "    --mca oob_tcp_keepalive_intvl 5 --mca oob_tcp_keepalive_probes 4 \\\n"
           "    --mca plm_slurm_args '--no-kill --kill-on-bad-exit=0' \\\n    " +
           ProduceCommand(options);
  }
  const std::string cpus =
      options.cpus_per_task > 0 ? fmt::format(" --cpus-per-task={}", options.cpus_per_task) : std::string();
  return fmt::format(
      "srun --mpi=pmix --no-kill --kill-on-bad-exit=0 --nodes=\"$nodes\" --ntasks=\"$((nodes * {}))\"{} \\\n    {}",
      options.tasks_per_node, cpus, ProduceCommand(options));
}

// Functions of the script. Nothing of a user's is in these texts.
constexpr std::string_view kSignals =
    R"sh(# Slurm sends USR1 before the time limit, and TERM when the job is cancelled: the ranks finish what they are at.
launcher='' stopping='' cancelled=''
stop() {
  : "${stopping:=$SECONDS}"
  if [ -n "$launcher" ]; then kill -USR1 "$launcher" 2>/dev/null; fi
}
trap stop USR1
trap 'cancelled=1; stop' TERM
)sh";

constexpr std::string_view kGuard =
    R"sh(# When the first node dies, this script dies with it, and Slurm would keep the other nodes until the time limit.
guard() {
  srun --overlap --mpi=none --nodes=1 --ntasks=1 --relative=1 --no-kill bash -c '
    quiet=0 last=""
    while [ "$quiet" -lt 12 ]; do
      sleep 10
      now=$(cat "$1" 2>/dev/null)
      if [ "$now" = "$last" ]; then quiet=$((quiet + 1)); else quiet=0 last=$now; fi
    done
    scontrol requeue "$2"' guard "$beat" "$job" &
}
)sh";

constexpr std::string_view kWatch =
    R"sh(# Waits for the launcher. Ends it when it hangs, as mpirun does after the loss of a host, and when time is over.
watch() {
  local ended=''
  while kill -0 "$launcher" 2>/dev/null; do
    date +%s >"$beat"
    sleep 5 &
    wait $!
    if [ -s "$outcome" ]; then : "${ended:=$SECONDS}"; fi
    if [ "$SECONDS" -ge "$((${ended:-SECONDS} + 30))" ] || [ "$SECONDS" -ge "$((${stopping:-SECONDS} + patience))" ]; then
      kill -TERM "$launcher" 2>/dev/null
      sleep 10
      kill -KILL "$launcher" 2>/dev/null
    fi
  done
  wait "$launcher"
  code=$?
  launcher=''
}
)sh";

constexpr std::string_view kMain = R"sh(for launch in 1 2 3; do
  [ -z "$stopping" ] || break
  rm -f "$outcome"
  launch
  watch
  ended=$(cat "$outcome" 2>/dev/null)
  # Launchers' exit codes lie: what counts is the store, and what rank 0 wrote down.
  "$decant" status "$store" --exit-code
  verdict=$?
  echo "launch $launch: launcher $code, rank 0 ${ended:-was killed}, store $verdict"
  if [ "$verdict" -eq 0 ] || [ "$verdict" -eq 5 ]; then exit "$verdict"; fi
  case ${ended:-$code} in 2 | 3 | 4 | 5 | 6) exit "${ended:-$code}" ;; esac
  if [ -n "$stopping" ] || [ "$ended" = 75 ]; then break; fi
  sleep 10
done
if [ -n "$cancelled" ]; then exit 75; fi
if [ "${SLURM_RESTART_COUNT:-0}" -ge "$max_restarts" ]; then
  echo "not complete after $max_restarts restarts; submit the job again to go on" >&2
  exit 75
fi
trap - TERM USR1
scontrol requeue "$job" || exit 75
sleep 120
exit 75
)sh";

constexpr std::string_view kMergeMain = R"sh(missing=0
for ((part = 0; part < parts; ++part)); do
  "$decant" status "$store.parts/$part-of-$parts" --exit-code || missing=$((missing + 1))
done
if [ "$missing" -gt 0 ]; then
  echo "$missing of $parts parts are not complete; submit the job again to go on" >&2
  exit 75
fi
"$decant" merge "$store" "$store.parts/"*"-of-$parts" || exit
"$decant" status "$store" --exit-code
)sh";

bool HasSecondNode(const SbatchOptions& options) {
  return options.nodes != "1";
}

std::string Variables(const SbatchOptions& options) {
  const bool is_array = options.num_parts > 0;
  // scontrol would requeue the whole array for the number of its last job.
  const std::string job = is_array ? "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" : "$SLURM_JOB_ID";
  const std::string part = is_array ? fmt::format(".parts/$SLURM_ARRAY_TASK_ID-of-{}", options.num_parts) : "";
  const uint32_t patience = options.signal_seconds > 90 ? options.signal_seconds - 45 : options.signal_seconds / 2;
  std::string text =
      fmt::format("decant={}\nstore={}{}\njob={}\n", ShellQuote(options.program), ShellQuote(options.store), part, job);
  text += fmt::format("max_restarts={}\npatience={}\n", options.max_restarts, patience);
  text += "outcome=$PWD/.decant-$job.outcome\nbeat=$PWD/.decant-$job.beat\n";
  return text + "trap 'rm -f \"$outcome\" \"$beat\"' EXIT\n";
}

}  // namespace

std::string ShellQuote(const std::string& text) {
  if (!text.empty() && ConsistsOf(text, "@%_-+=:,./")) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string RenderSbatch(const SbatchOptions& options) {
  Validate(options);
  const bool guarded = HasSecondNode(options);
  std::string text =
      "#!/bin/bash\n" + Header(options) + "\n" + Lines(options.setup) + "set -u\n" + Variables(options) + "\n";
  text += kSignals;
  text += "\n";
  if (guarded) text += std::string(kGuard) + "\n";
  text += "launch() {\n";
  if (options.launcher == SbatchOptions::Launcher::kSrun) {
    text += "  local nodes\n  nodes=$(squeue -h -j \"$job\" -o %D)\n  nodes=${nodes:-$SLURM_JOB_NUM_NODES}\n";
  }
  text += "  DECANT_OUTCOME=$outcome " + LaunchCommand(options) + " &\n  launcher=$!\n}\n\n";
  text += std::string(kWatch) + "\n";
  if (guarded) text += "date +%s >\"$beat\"\nif [ \"$SLURM_JOB_NUM_NODES\" -gt 1 ]; then guard; fi\n";
  return text + std::string(kMain);
}

std::string RenderMergeSbatch(const SbatchOptions& options) {
  Validate(options);
  std::string text = "#!/bin/bash\n" + Directive("--job-name=" + options.name + "-merge");
  text += Directives({"--nodes=1", "--ntasks=1", "--output=" + options.name + "-merge-%j.out", "--open-mode=append"});
  text += Directives(options.sbatch) + "\n" + Lines(options.setup) + "set -u\n";
  text += fmt::format("decant={}\nstore={}\nparts={}\n", ShellQuote(options.program), ShellQuote(options.store),
                      options.num_parts);
  return text + std::string(kMergeMain);
}

}  // namespace decant
