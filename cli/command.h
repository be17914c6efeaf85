#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace decant {

// A command: adds itself to the program, and returns what to run when it was chosen. The body returns the exit code;
// errors are thrown.
using CommandBody = std::function<int()>;
struct Command {
  CLI::App* app = nullptr;
  CommandBody run;
};

Command AddBench(CLI::App& program);
Command AddCheck(CLI::App& program);
Command AddExpire(CLI::App& program);
Command AddExport(CLI::App& program);
Command AddExtend(CLI::App& program);
Command AddExtract(CLI::App& program);
Command AddImport(CLI::App& program);
Command AddIndex(CLI::App& program);
Command AddInspect(CLI::App& program);
Command AddMatch(CLI::App& program);
Command AddMerge(CLI::App& program);
Command AddRepair(CLI::App& program);
Command AddStatus(CLI::App& program);
Command AddVerify(CLI::App& program);
Command AddView(CLI::App& program);
#ifdef DECANT_TORCH
Command AddPlan(CLI::App& program);
Command AddProduce(CLI::App& program);
Command AddSubmit(CLI::App& program);
Command AddTrain(CLI::App& program);
Command AddDemo(CLI::App& program);
#endif

}  // namespace decant
