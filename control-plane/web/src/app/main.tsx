// Where the interface starts.
import { createRoot } from 'react-dom/client';

import { App } from './App';
import './styles';

const place = document.getElementById('root');
if (place) createRoot(place).render(<App />);
