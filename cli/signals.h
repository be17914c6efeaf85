#pragma once

namespace decant {

// From now on INT, TERM and USR1 ask the command to stop in an orderly way and exit with 75. A second INT ends the
// process at once.
void InstallStopSignals();
bool StopRequested();
// Whether TERM came, which is followed by KILL soon: what is under way cannot be finished.
bool UrgentStopRequested();

}  // namespace decant
