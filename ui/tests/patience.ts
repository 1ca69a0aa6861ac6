import { configure } from "@testing-library/react";

// A busy machine takes a while to load a part of the page; how fast it is, benchmarks say.
configure({ asyncUtilTimeout: 15_000 });
