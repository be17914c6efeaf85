# Tests of what uses LibTorch.
foreach(test IN ITEMS models_test sparse_loss_test trainer_test span_labeller_test teacher_test
    token_teacher_test rank_on_device_test)
  decant_test(${test} LABEL torch LINKS decant::producer decant::student decant_torch)
endforeach()
target_include_directories(rank_on_device_test PRIVATE ${PROJECT_SOURCE_DIR}/producer)
