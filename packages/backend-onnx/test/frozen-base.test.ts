import { HostModel } from '../src/training/host-model'
it('loads', () => expect(HostModel).toBeDefined())
