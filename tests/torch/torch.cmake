# Tests of what uses LibTorch.
foreach(test IN ITEMS models_test sparse_loss_test trainer_test teacher_test span_labeller_test)
  decant_test(${test} LABEL torch LINKS decant::producer decant::student decant_torch)
endforeach()
