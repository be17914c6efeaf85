#pragma once

// DECANT_CLONES("bmi2") compiles a function twice where the compiler can: for processors with these instructions, and
// for all others. Which of the two runs is chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define DECANT_CLONES(instructions) __attribute__((target_clones(instructions, "default")))
#else
#define DECANT_CLONES(instructions)
#endif
