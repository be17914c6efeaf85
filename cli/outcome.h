#pragma once

namespace decant {

// Writes rank 0's exit code to the file that $DECANT_OUTCOME names, if it names one: launchers report another one when
// ranks were lost. Only the first call counts; call it before anything that may hang or end the process.
void WriteOutcome(int exit_code);

}  // namespace decant
