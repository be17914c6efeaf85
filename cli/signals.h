#pragma once

namespace decant {

// From now on INT, TERM and USR1 ask the command to stop in an orderly way: finish and commit what is under way,
// exit 75. A second INT ends the process at once.
void InstallStopSignals();
bool StopRequested();

}  // namespace decant
