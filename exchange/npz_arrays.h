#pragma once

namespace decant {

// Names of the arrays of exported labels (docs/cli.md).
inline constexpr char kNumClassesArray[] = "num_classes";
inline constexpr char kTemperaturesArray[] = "temperatures";
inline constexpr char kOffsetsArray[] = "offsets";
inline constexpr char kIdsArray[] = "ids";
inline constexpr char kLogProbsArray[] = "log_probs";
inline constexpr char kTailMassArray[] = "tail_mass";
inline constexpr char kOtherTailsArray[] = "other_tails";
inline constexpr char kTrueLogProbsArray[] = "true_log_probs";
inline constexpr char kLogSumExpArray[] = "log_sum_exp";
inline constexpr char kLogitsArray[] = "logits";
inline constexpr char kWindowOffsetsArray[] = "window_offsets";
inline constexpr char kWindowHashesArray[] = "window_hashes";
inline constexpr char kViewFingerprintsArray[] = "view_fingerprints";

}  // namespace decant
