#pragma once

#include <memory>

#include "decant/data/source.h"
#include "decant/data/view_renderer.h"
#include "decant/producer/span_labeller.h"
#include "decant/producer/teacher.h"
#include "decant/store/schema.h"

#include "job.h"

namespace decant {

// Everything that labelling a job's dataset needs on one rank.
struct LabellingSetup {
  std::unique_ptr<ImageSource> source;
  std::unique_ptr<ViewRenderer> views;
  std::unique_ptr<BatchRenderer> renderer;
  std::unique_ptr<Teacher> teacher;
  Schema schema;
};
// Opens what [data], [views], [teacher] and [labels] name.
LabellingSetup SetUpLabelling(const Job& job);

}  // namespace decant
