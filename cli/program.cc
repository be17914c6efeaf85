#include "program.h"

#include <cstdio>
#include <exception>
#include <new>
#include <string_view>

#include "command.h"
#include "console.h"
#include "outcome.h"

#ifdef DECANT_MPI
#include "decant/cluster/communicator.h"
#endif

namespace decant {
namespace {

std::string VersionText() {
  std::string text = "decant " DECANT_VERSION;
#ifdef DECANT_MPI
  text += " (" + MpiVersion() + ")";
#elif !defined(DECANT_TORCH)
  text += " (core: no LibTorch, no MPI)";
#endif
  return text;
}

// One line on stderr, whatever was thrown.
int Report(const std::exception& exception) {
  if (const auto* error = dynamic_cast<const Error*>(&exception)) {
    if (*error->what() != '\0') fmt::print(stderr, "decant: {}\n", error->what());
    return ExitCode(error->code());
  }
  if (dynamic_cast<const std::bad_alloc*>(&exception)) {
    fmt::print(stderr, "decant: out of memory\n");
    return ExitCode(ErrorCode::kExhausted);
  }
  fmt::print(stderr, "decant: internal error: {}\n", FirstLine(exception));
  return ExitCode(ErrorCode::kInternal);
}

int Main(int argc, char** argv) {
  CLI::App program("Runs a teacher once, keeps its soft labels, trains any number of students from them.", "decant");
  program.set_version_flag("--version", VersionText());
  program.require_subcommand(1);
  program.failure_message(CLI::FailureMessage::simple);
  const std::vector<Command> commands = {
#ifdef DECANT_TORCH
      AddDemo(program),   AddIndex(program),   AddPlan(program),    AddProduce(program), AddTrain(program),
      AddSubmit(program), AddView(program),
#endif
      AddStatus(program), AddInspect(program), AddVerify(program),  AddMatch(program),   AddCheck(program),
      AddRepair(program), AddMerge(program),   AddExtract(program), AddExtend(program),  AddExpire(program),
      AddExport(program), AddImport(program),  AddBench(program),
  };
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : ExitCode(ErrorCode::kInvalidArgument);
  }
  try {
    for (const Command& command : commands) {
      if (command.app->parsed()) return command.run();
    }
  } catch (const std::exception& exception) {
    return Report(exception);
  }
  return 0;
}

}  // namespace
}  // namespace decant

int DecantProgram(int argc, char** argv) {
  const int exit_code = decant::Main(argc, argv);
  if (argc > 1 && std::string_view(argv[1]) == "produce") decant::WriteOutcome(exit_code);
  std::fflush(nullptr);
  return exit_code;
}
