#pragma once

#include <memory>
#include <string>

#include "decant/data/token_view.h"
#include "decant/data/view_renderer.h"
#include "decant/producer/span_labeller.h"
#include "decant/producer/teacher.h"
#include "decant/store/schema.h"

#include "job.h"
#include "job_dataset.h"

namespace decant {

// Everything that labelling a job's dataset needs on one rank.
struct LabellingSetup {
  std::unique_ptr<Source> source;
  std::unique_ptr<ViewRenderer> views;       // of images, or null
  std::unique_ptr<TokenViewer> token_views;  // of tokens, or null
  std::unique_ptr<BatchRenderer> renderer;
  std::unique_ptr<Teacher> teacher;
  Schema schema;
};

// The job file of labels, with the keys that labelling cannot do without: kInvalidArgument names one that is missing.
// Threads that the job leaves open are resolved from the cores of this rank.
Job ReadLabellingJob(const std::string& path, const std::vector<std::string>& overrides);
// Replaces numbers of threads that are 0 by what suits a rank of `cores` cores: a replica for every `teacher.threads`
// of them, and a decoding thread for every two replicas; on a GPU two replicas, and the cores but one decode, at
// most 16.
void ResolveThreads(const TeacherOptions& teacher, uint32_t cores, PipelineOptions* threads);
// Loads the teacher that [teacher] names, for the samples of `source`.
std::unique_ptr<Teacher> MakeTeacher(const Job& job, const Source& source);
// Sets up what [views], [teacher] and [labels] of a resolved job name for `source`.
LabellingSetup SetUpLabelling(const Job& job, std::unique_ptr<Source> source);

// Share of up to 10,000 samples of data.test_split, evenly spread, whose true class the teacher finds likeliest.
double TeacherAccuracy(const Job& job, const LabellingSetup& setup);

}  // namespace decant
