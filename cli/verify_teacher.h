#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "decant/producer/agreement.h"
#include "decant/store/store_reader.h"

namespace decant {

// Labels of a store beside what the teacher of a job says of the same views now.
struct TeacherCheck {
  Agreement stored;                        // the store's labels
  Agreement control;                       // the teacher's own, on batches of another size, through the store's codec
  std::vector<std::string> differences;    // fields in which the job differs from the store's schema
  std::vector<std::string> disagreements;  // empty: the labels are this teacher's of these views
};

// Asks the teacher of the job file at `job_path`, with the command line's `overrides`, about `num_labels` labels that
// are evenly spread over what the store has committed. kMismatch when the job's labels could not be the store's at all:
// another number of samples or of classes.
TeacherCheck CheckTeacher(const std::string& store_path, const std::string& job_path,
                          const std::vector<std::string>& overrides, uint64_t num_labels);

}  // namespace decant
