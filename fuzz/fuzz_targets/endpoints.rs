#![cfg_attr(fuzzing, no_main)]

echoloop_fuzz::fuzz!(endpoints);
