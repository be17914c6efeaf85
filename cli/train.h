#pragma once

#include <memory>

#include "decant/consumer/trainer.h"

#include "job.h"

namespace decant {

// Everything that a job's training needs, without its targets.
struct TrainingSetup {
  std::unique_ptr<ImageSource> train;
  std::unique_ptr<ImageSource> test;
  std::unique_ptr<ViewRenderer> views;
  std::unique_ptr<ViewRenderer> test_views;  // not augmented
  NetworkSpec network;                       // num_classes is that of the training split
  TargetOptions targets;
};
// Opens what [data], [views], [student] and [train] name, for one of the ranks.
TrainingSetup SetUpTraining(const Job& job, const TrainRanks& ranks = {});

}  // namespace decant
