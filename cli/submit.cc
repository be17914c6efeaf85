#include "command.h"

namespace decant {

Command AddSubmit(CLI::App& program) {
  return {program.add_subcommand("submit", "Submits a job to Slurm"), [] { return 0; }};
}

}  // namespace decant
